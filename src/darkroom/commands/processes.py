"""The other processes of a training: they join its run instead of beginning runs of their own, and end with it."""

import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import torch.distributed as dist
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Trainer

from darkroom.callbacks.interruption import Stopped
from darkroom.commands.child import how_ended
from darkroom.commands.console import console
from darkroom.commands.faults import MISTAKE
from darkroom.runs.folder import Run

# Seconds between two looks at the other processes. Lightning looks every 5 s, and where it is the first to find a dead
# one it kills this process, which then says nothing: so ours are far closer; each takes some microseconds.
_LOOK = 0.02
_ECHO = 6.0  # seconds in which a process ends whose end another has felt; longer than faults.py has patience

_FAREWELL = 45.0  # seconds in which the first process ends one that stops at once, where it stops as well

_OF_THE_GROUP = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")  # Lightning leaves them set
_FIRST = "DARKROOM_FIRST_PROCESS"  # its number, for those that it starts


@contextmanager
def joined(run: Run, packages: Sequence[str]) -> Iterator[None]:
    """Inside, this command line started once more goes on with ``run``, whatever was typed first.

    Lightning starts one process for each further device by ``sys.argv``. Typed words would make a run of another name
    (it holds the time), Hydra's rewritten ones would be rewritten again, and in a sweep both are those of every job:
    the run's config.yaml, which is complete by now, is none of that. Where Lightning sees Hydra it adds the folder in
    quotes that not every name survives, so it does not see it.

    On leaving, the group is dissolved: the next job of a sweep would wait for processes that have ended.
    """
    hydra = HydraConfig.instance()
    argv, config, environment = sys.argv, hydra.cfg, dict(os.environ)
    sys.argv, hydra.cfg = [argv[0], f"resume={run.path}", f"packages=[{','.join(packages)}]"], None
    if "LOCAL_RANK" not in environment:
        os.environ[_FIRST] = str(os.getpid())
    try:
        yield
    finally:
        sys.argv, hydra.cfg = argv, config
        for name in (*_OF_THE_GROUP, _FIRST):
            os.environ.pop(name, None)
        os.environ.update(environment)
        if dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def together(trainer: Trainer, run: Run) -> Iterator[None]:
    """Inside, no process outlives another that has died, and the one that notices says so.

    Left alone, those that wait for a dead one wait for minutes, or for ever, and Lightning's first process ends itself
    by SIGKILL, without a word. An input error of the first process ends the others at once; any other may only be the
    echo of one that has died, which is looked for first.
    """
    # of a process that another has started, told by that one: it may have died since
    parent = int(os.environ.get(_FIRST, os.getppid())) if "LOCAL_RANK" in os.environ else None
    left = threading.Event()
    threading.Thread(target=_watch, args=(trainer, run, parent, left), daemon=True).start()
    try:
        yield
    except Stopped as stop:
        left.set()
        if parent is not None and stop.at_once:  # still connected, so that the first waits as well
            time.sleep(_FAREWELL)
        raise
    except Exception as error:
        left.set()
        if not isinstance(error, ValueError | OSError) and trainer.world_size > 1:
            _wait_for_death(trainer, run, parent)
        for process in _started(trainer):
            process.kill()
        raise
    finally:
        left.set()


def _watch(trainer: Trainer, run: Run, parent: int | None, left: threading.Event) -> None:
    while not left.wait(_LOOK):
        if (found := _dead(trainer, parent)) and not left.is_set():
            _end(*found, run, trainer)


def _wait_for_death(trainer: Trainer, run: Run, parent: int | None) -> None:
    end = time.monotonic() + _ECHO
    while time.monotonic() < end:
        if found := _dead(trainer, parent):
            _end(*found, run, trainer)
        time.sleep(0.1)


def _dead(trainer: Trainer, parent: int | None) -> tuple[str, int] | None:
    """Which process has ended before its time, in words, and the exit code to end with."""
    if parent is not None and os.getppid() != parent:
        return "the first process has died", 1
    for rank, process in enumerate(_started(trainer), 1):
        if code := process.poll():
            return f"process {rank} has ended {how_ended(code)}", MISTAKE if code == MISTAKE else 1
    return None


def _started(trainer: Trainer) -> list[subprocess.Popen[bytes]]:
    """Processes that this one has started: the first, where Lightning starts them, all others."""
    return list(getattr(trainer.strategy.launcher, "procs", []))


def _end(why: str, code: int, run: Run, trainer: Trainer) -> NoReturn:
    """The main thread may wait in C for a process that is gone, so nothing less ends it."""
    for process in _started(trainer):
        process.kill()
    console.show_cursor()
    command = shlex.join(["python", "train.py", f"resume={run.path}"])
    os.write(2, f"\n{why}, so the training has ended; go on with: {command}\n".encode())
    os._exit(code)
