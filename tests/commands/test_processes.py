"""What a process leaves for others to join, and that it leaves nothing behind."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from lightning.pytorch import Trainer

from darkroom.callbacks.interruption import Stopped
from darkroom.commands import ending, processes
from darkroom.commands.processes import joined, together
from darkroom.runs.folder import Run


def quiet_trainer() -> Trainer:
    return Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)


def test_inside_the_command_line_is_that_of_the_run_and_afterwards_as_before(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("MASTER_PORT", "1")
    before = list(sys.argv)
    with joined(Run(Path("/logs, [old]/x")), ["mylab", "other"]):
        assert sys.argv == [before[0], "resume=/logs, [old]/x", "packages=[mylab,other]"]
        assert os.environ["DARKROOM_FIRST_PROCESS"] == str(os.getpid())
        os.environ.update(LOCAL_RANK="0", MASTER_PORT="2")  # as Lightning does when it starts the others
    assert sys.argv == before
    assert not {"LOCAL_RANK", "DARKROOM_FIRST_PROCESS"} & os.environ.keys()
    assert os.environ["MASTER_PORT"] == "1"


def test_a_process_whose_first_died_while_it_was_loading_notices(monkeypatch):
    ended, told = threading.Event(), []
    trainer = quiet_trainer()
    monkeypatch.setattr(processes, "_end", lambda *why: (told.append(why[0]), ended.set()))
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("DARKROOM_FIRST_PROCESS", str(os.getpid()))  # is not what started this one
    with together(trainer, Run(Path("x"))):
        assert ended.wait(10)
    assert told[0] == "the first process has died"


def test_a_process_that_dies_is_told_long_before_lightning_looks(monkeypatch, capfd):
    codes, ended = [], threading.Event()

    def leave(code):
        codes.append(code)
        ended.set()
        threading.Event().wait()  # nothing comes after it

    monkeypatch.setattr(processes.os, "_exit", leave)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    other = subprocess.Popen(["sleep", "60"])
    trainer = quiet_trainer()
    trainer.strategy._launcher = SimpleNamespace(procs=[other])  # as Lightning's holds what it has started
    with together(trainer, Run(Path("/my runs/x"))):
        assert not ended.wait(0.1)
        other.kill()
        assert ended.wait(0.5)
    assert codes == [1]
    line = "process 1 has ended by SIGKILL, so the training has ended; go on with: python train.py 'resume=/my runs/x'"
    assert line in capfd.readouterr().err


@pytest.mark.parametrize(("at_once", "code", "waits"), [(False, 0, []), (True, 143, [processes._FAREWELL])])
def test_another_process_that_stops_alone_ends_by_a_code_that_the_first_notices(monkeypatch, at_once, code, waits):
    """Not before the first, where it stops as well, has ended it; where all stop together, by none."""
    run, trainer, stop, waited = Run(Path("x")), quiet_trainer(), Stopped(signal.SIGTERM, at_once=at_once), []
    monkeypatch.setattr(processes.time, "sleep", waited.append)
    monkeypatch.setattr(Trainer, "is_global_zero", False)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(SystemExit) as ended:
        try:
            with together(trainer, run):
                raise stop
        except Stopped:
            ending.say_stopped(run, trainer, stop)
            raise
    assert (ended.value.code, waited) == (code, waits)
