"""Two real processes train as one: the same weights, and one run that the first alone writes."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from darkroom.autoencoding.first_stage import read_hash
from darkroom.commands import train
from darkroom.runs.checkpoint_io import AtomicCheckpointIO
from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import read_metrics

ROOT = Path(__file__).resolve().parents[2]
COMMON = [
    "data.train_size=12",
    "data.validation_size=5",
    "resolution=32",
    "batch_size=4",
    "max_steps=3",
    "trainer.precision=32-true",
    "trainer.accelerator=cpu",
    "trainer.log_every_n_steps=1",
    "trainer.val_check_interval=3",
    "optimizer.eps=1.0e-3",  # else Adam makes a whole step of a rounding error in a gradient near zero
    "lr_schedule.warmup_steps=1",
    "callback.throughput=null",
]
AUTOENCODER = [
    "experiment=shapes_autoencoder",
    "autoencoder=kl_f8_small",
    *(f"autoencoder.{part}.width=16" for part in ("encoder", "decoder")),
]
DIFFUSION = [
    "experiment=shapes_latent_diffusion",
    "network=dit_small",
    *("network.width=16", "network.depth=1", "network.heads=2", "network.patch=2"),
    "conditioner.text.width=16",
    "conditioner.text.heads=2",
    "sampler.num_steps=2",
    "callback.samples.n=2",
    *("callback.distribution.n=5", "callback.distribution.n_reference=6", "callback.distribution.batch_size=2"),
]


WITNESS = """
import torch
from lightning.pytorch import Callback


class Witness(Callback):
    def on_train_end(self, trainer, pl_module):
        torch.save(pl_module.model.state_dict(), f"{trainer.default_root_dir}/of-process-{trainer.global_rank}.pt")
"""


def trained_by_two(logs: Path, *recipe: str) -> tuple[Run, str]:
    """The run of a real command that starts a second process, and what both said."""
    command = [
        sys.executable,
        str(ROOT / "train.py"),
        *COMMON,
        *recipe,
        f"logs={logs}",
        "trainer=ddp",
        "trainer.devices=2",
    ]
    done = subprocess.run(command, cwd=logs.parent, capture_output=True, text=True, timeout=500)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    (stage,) = logs.iterdir()
    (folder,) = stage.iterdir()  # one, though the name that train.py makes holds a random part
    return Run(folder), said


def only_run_by_two(logs: Path, *recipe: str) -> Run:
    return trained_by_two(logs, *recipe)[0]


def resumed_by_two(run: Run, *more: str) -> None:
    two = ["trainer.devices=2", "trainer.strategy=ddp"]
    command = [sys.executable, str(ROOT / "train.py"), f"resume={run.path}", *two, *more]
    done = subprocess.run(command, cwd=run.path, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr


def resumed_by_one(run: Run, *more: str) -> None:
    one = ["trainer.devices=1", "trainer.strategy=auto"]
    assert train.main([f"resume={run.path}", *one, *more], ROOT / "conf") == 0


def trained_by_one(logs: Path, *recipe: str) -> Run:
    assert train.main([*COMMON, *recipe, f"logs={logs}", "run_id=one"], ROOT / "conf") == 0
    (stage,) = logs.iterdir()
    return Run(stage / "one")


def assert_same_training(run: Run, alone: Run) -> None:
    """Weights, their average and what was measured differ by the order of sums alone."""
    first, second = (AtomicCheckpointIO().load_checkpoint(each.trained()) for each in (run, alone))
    assert first["global_step"] == second["global_step"] == 3
    torch.testing.assert_close(first["state_dict"], second["state_dict"], rtol=1e-5, atol=1e-6)
    averages = (each["callbacks"]["EMA"]["weights"] for each in (first, second))
    torch.testing.assert_close(*averages, rtol=1e-5, atol=1e-6)
    mine, other = (
        {key: value for key, value in each.summary.items() if key.startswith(("train/", "val/", "gradient_norm"))}
        for each in (run, alone)
    )
    assert {"train/loss", "train/lr", "gradient_norm"} < mine.keys()
    assert mine == pytest.approx(other, rel=1e-4)


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Here and in processes that are started: sums are split otherwise among more."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_two_processes_are_bit_for_bit_one_that_takes_their_micro_batches_in_turn(tmp_path, monkeypatch):
    """Weights of both, what is logged, and the sheets of samples: a sum of two has only one order."""
    (tmp_path / "witness").mkdir()
    (tmp_path / "witness" / "__init__.py").write_text(WITNESS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    kept = [f"stage.latents={tmp_path / 'latents'}", f"callback.distribution.cache={tmp_path / 'features'}"]
    recipe = [*DIFFUSION, "first_stage=identity", "network.patch=8", "data.validation_size=4", "logger=csv", *kept]
    witness = ["packages=[witness]", "+callback.witness._target_=witness.Witness"]
    run = only_run_by_two(tmp_path / "two", *recipe, *witness)
    alone = trained_by_one(tmp_path / "one", *recipe, "trainer.accumulate_grad_batches=2")

    weights = [torch.load(run.path / f"of-process-{rank}.pt") for rank in range(2)]
    assert_equal(*weights)
    first, second = (AtomicCheckpointIO().load_checkpoint(each.trained()) for each in (run, alone))
    assert_equal({name.removeprefix("model."): value for name, value in first["state_dict"].items()}, weights[0])
    assert_equal(first["state_dict"], second["state_dict"])
    assert_equal(first["callbacks"]["EMA"]["weights"], second["callbacks"]["EMA"]["weights"])
    assert_equal(*(each["optimizer_states"][0]["state"] for each in (first, second)))
    rows, others = (read_metrics(each.metrics) for each in (run, alone))
    assert [of_no_machine(row) for row in rows] == [of_no_machine(row) for row in others]
    logged = {name for row in rows for name in row}
    assert {"train/loss", "val/loss", "val/prompt_accuracy", "gradient_norm", "speed/samples_share"} <= logged
    sheets = sorted(path.name for path in run.samples.glob("samples-*.png"))
    assert sheets == ["samples-00000003.png"]
    assert all((run.samples / name).read_bytes() == (alone.samples / name).read_bytes() for name in sheets)


def assert_equal(mine: Any, other: Any) -> None:
    torch.testing.assert_close(mine, other, rtol=0, atol=0)


def of_no_machine(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if not name.startswith("speed/")}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_train_both_stages_as_one_does(tmp_path):
    autoencoder, said = trained_by_two(tmp_path / 'logs, "both" [x]', *AUTOENCODER, "logger=csv")
    assert len(re.findall(r"^the run:", said, re.MULTILINE)) == 1
    alone = trained_by_one(tmp_path / "alone", *AUTOENCODER, "logger=csv")
    assert_same_training(autoencoder, alone)

    kept = [f"stage.latents={tmp_path / 'latents'}", f"callback.distribution.cache={tmp_path / 'features'}"]
    given = [f"first_stage.path={autoencoder.path}", *kept]
    diffusion, said = trained_by_two(tmp_path / "diffusion", *DIFFUSION, *given)
    alone = trained_by_one(tmp_path / "alone too", *DIFFUSION, *given, "logger=csv")
    assert_same_training(diffusion, alone)
    assert len(re.findall(r"^conditioner=auto takes text", said, re.MULTILINE)) == 1
    assert len(list((diffusion.path / "wandb").glob("offline-run-*"))) == 1
    assert read_hash(diffusion.first_stage) == read_hash(autoencoder.first_stage)
    assert len(list((tmp_path / "latents").rglob("*"))) == 4  # a file and its folder for each split, no drafts


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", [1, 2])
def test_a_run_goes_on_with_another_number_of_processes(tmp_path, first):
    """From a checkpoint between two logs, whose losses it carries over."""
    recipe = [*AUTOENCODER, "logger=csv", "trainer.log_every_n_steps=3", "lr_schedule.total_steps=4"]
    whole = trained_by_one(tmp_path / "whole", *recipe, "max_steps=4")
    begin, goes_on = (trained_by_one, resumed_by_two) if first == 1 else (only_run_by_two, resumed_by_one)
    run = begin(tmp_path / "cut", *recipe, "max_steps=2")
    goes_on(run, "max_steps=4")
    one, other = (AtomicCheckpointIO().load_checkpoint(each.trained()) for each in (run, whole))
    torch.testing.assert_close(one["state_dict"], other["state_dict"], rtol=1e-5, atol=1e-6)
    shared = [row for row in read_metrics(run.metrics) if row["step"] != "2"]  # the first part's last validation
    for mine, its in zip(shared, read_metrics(whole.metrics), strict=True):
        assert {k: float(v) for k, v in mine.items() if v} == pytest.approx(
            {k: float(v) for k, v in its.items() if v}, rel=1e-4
        )
