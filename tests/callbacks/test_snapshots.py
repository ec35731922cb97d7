"""Snapshots of a training, killed or not, and pictures drawn with an average that is made of them."""

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from safetensors.torch import load_file
from stages import tiny

from darkroom.callbacks.snapshots import Snapshots
from darkroom.commands.load import load_first_stage, load_generator
from darkroom.runs.posthoc import posthoc_average
from darkroom.runs.weights import trained_weights

KEEPING = ["callback.snapshots.count=4", "callback.snapshots.every_n_steps=3", "callback.checkpoints.every_n_steps=5"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny.train(tmp_path_factory.mktemp("runs") / "run", tiny.DIFFUSION, *KEEPING, "max_steps=10")


def files(run):
    return {path.name: load_file(path) for path in sorted(run.snapshots.iterdir())}


def test_they_lie_evenly_over_the_training_and_the_last_at_its_end(run):
    assert list(files(run)) == [f"{step:08d}.safetensors" for step in (3, 5, 8, 10)]
    names = {key.split("/")[1] for key in files(run)["00000010.safetensors"]}
    assert names == set(tiny.checkpoint(run)["callbacks"]["EMA"]["weights"])


def test_the_run_draws_with_a_width_that_it_did_not_keep(run):
    own = trained_weights(run.trained())
    other = posthoc_average(run, 0.15, 10).weights
    assert set(other) <= set(own)
    assert any(not torch.equal(own[name], other[name]) for name in other)
    generator = load_generator(run, load_first_stage(run), ema=0.15)
    for name, weight in generator.model.named_parameters():
        assert torch.equal(weight, other[name]), name


def test_a_resumed_run_keeps_the_same_ones(run, tmp_path):
    part = tiny.train(tmp_path / "part", tiny.DIFFUSION, *KEEPING, "max_steps=10")
    for name in ("00000008.safetensors", "00000010.safetensors"):
        (part.snapshots / name).unlink()
    for path in part.checkpoints.glob("*10*"):
        path.unlink()
    again = tiny.train(part.path, tiny.DIFFUSION, *KEEPING, "max_steps=10")
    assert tiny.differences(files(again), files(run)) == []


def test_none_is_kept_unless_asked_for(tmp_path):
    run = tiny.train(tmp_path / "run", tiny.DIFFUSION, "max_steps=2")
    assert not run.snapshots.exists()


@pytest.mark.parametrize(("argument", "value"), [("count", -1), ("every_n_steps", 0)])
def test_numbers_that_say_nothing_are_refused(argument, value):
    with pytest.raises(ValueError, match=f"callback.snapshots.{argument}={value}"):
        Snapshots(**{argument: value})


def test_a_resumed_run_cannot_begin_them_and_is_left_as_it_was(tmp_path):
    part = tiny.train(tmp_path / "part", tiny.DIFFUSION, "max_steps=4")
    before = {path: path.stat().st_mtime_ns for path in part.path.rglob("*")}
    with pytest.raises(ValueError, match=r"callback\.snapshots\.count=4: 4 steps of this run were trained without"):
        tiny.train(part.path, tiny.DIFFUSION, *KEEPING, "max_steps=10")
    assert {path: path.stat().st_mtime_ns for path in part.path.rglob("*")} == before


class Resumed(Trainer):
    """After ``step`` steps, of which no checkpoint held averages."""

    def __init__(self, step):
        self.step = step

    @property
    def global_step(self):
        return self.step


def test_a_trainer_of_a_program_of_its_own_begins_none_either():
    callback = Snapshots(count=4, every_n_steps=3)
    callback.on_train_start(Resumed(2), LightningModule())  # they move at 3 first
    with pytest.raises(ValueError, match=r"callback\.snapshots\.count=4: 3 steps of this run were trained without"):
        callback.on_train_start(Resumed(3), LightningModule())


def test_an_autoencoder_keeps_none(tmp_path):
    with pytest.raises(ValueError, match=r"callback\.snapshots\.count=4: is for a denoiser"):
        tiny.train(tmp_path / "run", tiny.AUTOENCODER, *KEEPING, "max_steps=4")


def test_accumulated_steps_are_counted_once(tmp_path):
    accumulating = ["trainer.accumulate_grad_batches=2", "max_steps=10"]
    run = tiny.train(tmp_path / "run", tiny.DIFFUSION, *KEEPING, *accumulating)
    assert sorted(path.stem for path in run.snapshots.iterdir()) == ["00000003", "00000005", "00000008", "00000010"]
