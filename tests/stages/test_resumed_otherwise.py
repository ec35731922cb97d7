"""What may differ when a run goes on: its length, and how a batch is divided."""

from functools import partial

import pytest
import torch
from tiny import AUTOENCODER, rows, train

from darkroom.stages.base import Stage
from darkroom.stages.lr_schedule import Cosine

STEPS = ["trainer.val_check_interval=2", "trainer.log_every_n_steps=2"]


def as_numbers(run):
    return [[float(value) for value in row if value] for row in rows(run, "train/loss", "val/psnr")]


@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1)])
def test_a_batch_may_be_divided_otherwise(tmp_path, first, then):
    whole = train(tmp_path / "whole", AUTOENCODER, *STEPS, "max_steps=6")
    parts = [f"trainer.accumulate_grad_batches={each}" for each in (first, then)]
    train(tmp_path / "cut", AUTOENCODER, *STEPS, "max_steps=3", "lr_schedule.total_steps=6", parts[0])
    cut = train(tmp_path / "cut", AUTOENCODER, *STEPS, "max_steps=6", parts[1])
    assert len(as_numbers(whole)) == 6
    shared = [row for row in as_numbers(cut) if row[0] != 3]  # which the first part ended with, and so validated
    for mine, other in zip(shared, as_numbers(whole), strict=True):
        assert mine == pytest.approx(other, rel=1e-4)


def test_a_run_that_is_extended_logs_and_validates_at_its_own_steps(tmp_path):
    whole = train(tmp_path / "whole", AUTOENCODER, *STEPS, "max_steps=8")
    train(tmp_path / "cut", AUTOENCODER, *STEPS, "max_steps=4", "lr_schedule.total_steps=8")
    cut = train(tmp_path / "cut", AUTOENCODER, *STEPS, "max_steps=8")
    assert rows(cut, "train/loss", "val/psnr") == rows(whole, "train/loss", "val/psnr")
    assert [row[0] for row in rows(cut, "val/psnr")] == ["2", "4", "6", "8"]


def test_a_run_that_is_extended_learns_at_the_rate_of_its_new_schedule(tmp_path):
    train(tmp_path / "run", AUTOENCODER, *STEPS, "max_steps=4", "trainer.log_every_n_steps=1")
    run = train(tmp_path / "run", AUTOENCODER, *STEPS, "max_steps=8", "trainer.log_every_n_steps=1")
    short, long = (Cosine(total_steps=steps, warmup_steps=2) for steps in (4, 8))
    expected = [0.01 * (short if step < 4 else long)(step) for step in range(8)]
    logged = [float(rate) for _, rate in rows(run, "train/lr")]
    assert logged == pytest.approx(expected, rel=1e-6)
    assert min(logged) > 0


class Dropping(Stage):
    """Sums what dropout leaves of ones."""

    def __init__(self):
        super().__init__(optimizer=partial(torch.optim.SGD, lr=0.1), lr_schedule=lambda _: 1.0, seed=0)
        self.model = torch.nn.Dropout(0.5)

    def training_losses(self, batch):  # noqa: ARG002
        return {"loss": (self.model(torch.ones(64)) * torch.arange(64)).sum()}


def test_what_a_network_draws_itself_follows_from_the_number_of_the_batch():
    stage = Dropping()
    drawn = [stage.training_step(None, batch).item() for batch in range(4)]
    assert len(set(drawn)) == 4
    torch.manual_seed(7)  # whatever was drawn before
    assert stage.training_step(None, 3).item() == drawn[3]
