"""Ctrl-C and SIGTERM to real trainings: saved, told in a line or two, no traceback, and gone on with."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import wandb

from darkroom.commands import train
from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import read_metrics

ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "experiment=shapes_autoencoder",
    "run_id=cut",
    "max_steps=100000",
    "data.train_size=12",
    "data.validation_size=4",
    "resolution=32",
    "batch_size=4",
    "autoencoder=kl_f8_small",
    *(f"autoencoder.{part}.width=16" for part in ("encoder", "decoder")),
    "trainer.accelerator=cpu",
    "trainer.log_every_n_steps=1",
    "callback.throughput=null",
]


def start(folder: Path, *argv: str) -> subprocess.Popen:
    """``train.py`` as a terminal starts it: a group of processes of its own, which a Ctrl-C reaches as a whole."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, str(ROOT / "train.py"), *argv]

    def heed() -> None:  # tests may run in the background of a shell, which has them ignore it
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen(command, cwd=folder, start_new_session=True, preexec_fn=heed, **pipes)


def after_some_steps(process: subprocess.Popen, run: Run, send) -> str:
    """What a training says that is sent a signal by ``send`` after its third step or soon after."""
    end = time.monotonic() + 300
    while len(read_metrics(run.metrics)) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)
    send()
    said, errors = process.communicate(timeout=120)  # ends when the last process that could still speak has ended
    assert "Traceback" not in said + errors, errors
    return said


def test_ctrl_c_saves_says_where_and_the_run_goes_on(tmp_path):
    run = Run(tmp_path / "logs" / "autoencoder" / "cut")
    process = start(tmp_path, *SMALL)
    said = after_some_steps(process, run, lambda: os.killpg(process.pid, signal.SIGINT))
    assert process.returncode == 130
    saved = run.latest()
    assert saved is not None
    assert f"stopped by SIGINT: saved is {saved}\n" in said
    assert f"python train.py resume={run.path}\n" in said
    assert "wandb sync" in said
    step = int(read_metrics(run.metrics)[-1]["step"])
    assert saved.name == f"step-{step:08d}.ckpt"
    code = train.main([f"resume={run.path}", f"max_steps={step + 2}"], ROOT / "conf")
    wandb.teardown()  # else the processes of other tests share it
    assert code == 0
    rows = read_metrics(run.metrics)
    assert [int(row["step"]) for row in rows if row["train/loss"]] == list(range(1, step + 3))
    assert [int(row["step"]) for row in rows if row["val/psnr"]] == [step + 2]


@pytest.mark.slow
def test_sigterm_to_the_first_of_two_processes_ends_both(tmp_path):
    run = Run(tmp_path / "logs" / "autoencoder" / "cut")
    two = ["trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", "logger=csv"]
    process = start(tmp_path, *SMALL, *two)
    said = after_some_steps(process, run, process.terminate)
    assert process.returncode == 143
    assert said.count("stopped by SIGTERM: saved is ") == 1
    step = int(read_metrics(run.metrics)[-1]["step"])
    assert run.latest() is not None and run.latest().name == f"step-{step:08d}.ckpt"


@pytest.mark.slow
@pytest.mark.parametrize("dies", ["first", "other"])
def test_a_process_that_dies_ends_the_other_which_says_so(tmp_path, dies):
    run = Run(tmp_path / "logs" / "autoencoder" / "cut")
    process = start(tmp_path, *SMALL, "trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", "logger=csv")
    begun = time.monotonic()
    while len(read_metrics(run.metrics)) < 3 and time.monotonic() < begun + 300:
        time.sleep(0.1)
    (other,) = map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    os.kill(process.pid if dies == "first" else other, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)  # ends when both have
    died = "the first process has died" if dies == "first" else "process 1 has ended by SIGKILL"
    assert f"{died}, so the training has ended; go on with: python train.py resume={run.path}" in errors
    assert "Traceback" not in errors
    assert process.returncode == (-signal.SIGKILL if dies == "first" else 1)
