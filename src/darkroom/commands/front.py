"""What every command does first: say how it is used, check everything, and only then let Hydra start the work."""

import datetime
import os
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
from omegaconf import DictConfig

from darkroom.commands.checking.argv import Arguments, name, quoted, read
from darkroom.commands.checking.check import composing_faults, faults, idle_faults, resumes
from darkroom.commands.checking.compose import ERRORS, Space, words
from darkroom.commands.checking.resume import hydra_overrides, kept_overrides, run_space
from darkroom.commands.faults import MISTAKE, report
from darkroom.commands.loading import uncollected
from darkroom.commands.usage import help_text, usage


def enter(
    command: str,
    argv: Sequence[str],
    conf: Path,
    task: Callable[[DictConfig], None],
    *,
    wants: Sequence[str],
) -> int:
    """Run ``task`` on the config that ``argv`` composes; the exit code, 2 after a mistake.

    ``wants``: keys of which one must be given; without it the usage is printed, unless what is given is faulty.
    ``task`` imports torch itself, and is a function of a module, so that a launcher can send it elsewhere. Flags that
    only print (``--cfg job``) need no check but that there is a config.
    """
    with uncollected():
        checked = _checked(command, argv, conf, wants)
    return checked if isinstance(checked, int) else start(*checked, task)


def _checked(command: str, argv: Sequence[str], conf: Path, wants: Sequence[str]) -> int | tuple[Space, list[str]]:
    """Where Hydra composes and what it reads; the exit code instead where nothing is to be started."""
    try:
        arguments = read(argv)
        if arguments.helps:
            print(help_text(command, conf))
            return 0
        if arguments.composes and (found := composing_faults(command, arguments, conf)):  # Hydra tells in many lines
            return report(found)
        if arguments.shows:
            return Space(conf, command), arguments.argv
    except ValueError as error:
        return report([str(error)])
    if not {name(each) for each in arguments.overrides} & set(wants):
        if found := idle_faults(command, arguments, conf):
            return report(found)
        print(usage(command, conf))
        return MISTAKE
    if found := faults(command, arguments, conf):
        return report(found)
    if resumes(arguments):
        run = arguments.value("resume")
        assert run is not None
        overrides = [*hydra_overrides(run, conf), *kept_overrides(arguments)]
        return run_space(run), [*arguments.flags, *overrides]
    try:
        run_id = _run_id(command, arguments)
    except ValueError as error:
        return report([str(error)])
    return Space(conf, command), [*arguments.argv, *run_id]


def start(space: Space, argv: Sequence[str], task: Callable[[DictConfig], None]) -> int:
    """Hand over to hydra.main, with ``argv`` as Hydra reads it."""
    before = sys.argv
    sys.argv = [before[0], *argv]
    try:
        hydra.main(version_base="1.3", config_path=str(space.folder.resolve()), config_name=space.name)(task)()
    except ERRORS as error:
        return report([words(error)])
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        sys.argv = before
    return 0


def _run_id(command: str, arguments: Arguments) -> list[str]:
    """``run_id=<time>-<experiment>-<4 hex>`` where none is given; in a sweep each job's number follows.

    Raises ValueError for one of several processes that were started by somebody else, such as torchrun: each would make
    a name of its own.
    """
    if command != "train" or arguments.value("run_id") is not None:
        return []
    if "LOCAL_RANK" in os.environ:
        raise ValueError("run_id: several processes were started (LOCAL_RANK is set) and must share a run; name it")
    now, mark = datetime.datetime.now(), secrets.token_hex(2)
    if arguments.multirun:  # Hydra fills in what differs from job to job
        return [f"run_id={now:%Y%m%d-%H%M%S}-${{hydra:runtime.choices.experiment}}-{mark}-${{hydra:job.num}}"]
    experiment = Path(arguments.value("experiment") or "").name
    return [f"run_id={quoted(f'{now:%Y%m%d-%H%M%S}-{experiment}-{mark}')}"]
