"""Real trainings whose W&B is a server on this machine that goes dark, or never answered."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_wandb import FakeWandb

from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import read_metrics
from darkroom.runs.wandb_pieces import offline_pieces, read_piece

ROOT = Path(__file__).resolve().parents[2]
STEPS = 30
SMALL = [
    "experiment=shapes_autoencoder",
    "run_id=dark",
    f"max_steps={STEPS}",
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


def environment(fake: FakeWandb) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return {**own, **fake.environment, "WANDB_INIT_TIMEOUT": "5", "WANDB_FINISH_TIMEOUT": "5"}


def start(folder: Path, fake: FakeWandb) -> subprocess.Popen:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *SMALL], cwd=folder, env=environment(fake), **pipes
    )


def ended_well(process: subprocess.Popen, run: Run) -> str:
    """What a training said that ran to its last step, with a whole metrics.csv."""
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "Traceback" not in said + errors
    logged = [int(row["step"]) for row in read_metrics(run.metrics) if row["train/loss"]]
    assert logged == list(range(1, STEPS + 1))
    return said


def losses(rows: list[dict]) -> dict[int, float]:
    return {row["trainer/global_step"]: row["train/loss"] for row in rows if "train/loss" in row}


@pytest.mark.slow  # tests/runs/test_wandb_online.py has the same without a process
def test_a_training_whose_network_is_lost_ends_well_and_can_be_uploaded(tmp_path):
    fake, run = FakeWandb(until=1), Run(tmp_path / "logs" / "autoencoder" / "dark")
    said = ended_well(start(tmp_path, fake), run)
    assert fake.streamed == 1
    assert len(fake.rows("dark")) < STEPS
    (piece,) = (run.path / "wandb").glob("run-*")
    command = f"wandb sync --no-skip-online {piece}"
    assert f"{command}\n" in said
    assert list(losses(read_piece(piece))) == list(range(1, STEPS + 1))

    fake.come_back()
    output = {"capture_output": True, "text": True, "timeout": 120, "check": False, "cwd": tmp_path}
    done = subprocess.run([sys.executable, "-m", *command.split()], env=environment(fake), **output)
    assert done.returncode == 0, done.stderr
    assert losses(fake.rows("dark")) == losses(read_piece(piece))
    assert len(fake.rows("dark")) == len(read_piece(piece))


@pytest.mark.slow
@pytest.mark.parametrize("lost", [FakeWandb.hang, FakeWandb.refuse])
def test_a_training_that_begins_without_a_network_says_so_and_is_offline(tmp_path, lost):
    fake, run = FakeWandb(), Run(tmp_path / "logs" / "autoencoder" / "dark")
    lost(fake)
    said = ended_well(start(tmp_path, fake), run)
    (line,) = [line for line in said.splitlines() if "Weights & Biases" in line]
    assert line.startswith("warning: Weights & Biases is not reached, so this run is offline: ")
    (piece,) = offline_pieces(run.path)
    assert f"wandb sync {piece}\n" in said
    assert list(losses(read_piece(piece))) == list(range(1, STEPS + 1))
