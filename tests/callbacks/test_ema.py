import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from trainers import Tiny, loader, trainer

from darkroom.callbacks.checkpoints import Checkpoints
from darkroom.callbacks.ema import EMA, averaged
from darkroom.runs.checkpoint import checkpoint_path
from darkroom.runs.folder import Run
from darkroom.runs.power_average import power_exponent


@pytest.mark.parametrize(
    ("sigma_rel", "exponent"), [(0.05, 16.972), (0.10, 6.937), (0.15, 3.558), (0.25, 0.720), (0.01, 96.99)]
)
def test_the_exponent_gives_the_width_of_recipes_6(sigma_rel, exponent):
    g = power_exponent(sigma_rel)
    assert g == pytest.approx(exponent, abs=5e-3)
    assert ((g + 1) / ((g + 2) ** 2 * (g + 3))) ** 0.5 == pytest.approx(sigma_rel, rel=1e-9)


@pytest.mark.parametrize("sigma_rel", [0.0, -0.1, 0.3])
def test_a_width_that_no_exponent_has_is_refused(sigma_rel):
    with pytest.raises(ValueError, match=f"sigma_rel={sigma_rel}"):
        EMA(sigma_rel)


class Counter(nn.Module):
    """A weight that the test sets, a frozen one and a buffer."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.frozen = nn.Parameter(torch.tensor([7.0]), requires_grad=False)
        self.register_buffer("place", torch.tensor([5.0]))


class Holder(LightningModule):
    """What the callback sees of a stage."""

    def __init__(self):
        super().__init__()
        self.model = Counter()


class At(Trainer):
    """A trainer that has taken ``step`` optimizer steps, and does nothing."""

    global_step, max_steps = 0, 10**9

    def __init__(self, step=0, callbacks=()):
        self.global_step, self.callbacks = step, list(callbacks)


def fed(values, sigma_rel=0.1, ema=None, every=1):
    """An average over weights that take ``values`` after step 1, 2, ..., without a training."""
    ema, stage = ema or EMA(sigma_rel, every), Holder()
    ema.on_fit_start(At(), stage)
    first = ema.state_dict()["step"]
    for step, value in enumerate(values, start=first + 1):
        with torch.no_grad():
            stage.model.weight.fill_(value)
        ema.on_train_batch_end(At(step), stage, None, None, 0)
    return ema, stage


def average(ema):
    return ema.state_dict()["weights"]["weight"].item()


def test_of_weights_that_count_the_steps_it_keeps_the_share_of_the_closed_form():
    n, g = 20_000, power_exponent(0.1)
    ema, _ = fed(range(1, n + 1))
    assert average(ema) / n == pytest.approx((g + 1) / (g + 2), abs=5e-5)
    assert average(ema) / n == pytest.approx(0.888133, abs=1e-6)  # recipes 14, for this many steps


@pytest.mark.parametrize("sigma_rel", [0.05, 0.1, 0.2])
def test_each_step_weighs_what_recipes_6_says(sigma_rel):
    n, power = 30, power_exponent(sigma_rel) + 1
    values = np.sin(np.arange(1, n + 1) ** 2)
    steps = np.arange(1, n + 1)
    weights = (steps**power - (steps - 1) ** power) / n**power
    assert average(fed(values, sigma_rel)[0]) == pytest.approx((weights * values).sum(), abs=1e-12)


def test_moved_every_few_steps_it_weighs_those_by_the_same_law():
    power, values = power_exponent(0.1) + 1, np.sin(np.arange(1, 31) ** 2)
    moved = np.array([1, 2, *range(3, 31, 3)])
    weights = np.diff(moved**power, prepend=0) / 30**power
    assert average(fed(values, every=3)[0]) == pytest.approx((weights * values[moved - 1]).sum(), abs=1e-12)


def test_between_two_moves_a_validation_sees_the_newest_step():
    ema, stage = fed([1.0, 2.0, 3.0, 4.0, 5.0], every=4)
    before, power = average(ema), power_exponent(0.1) + 1
    ema.on_validation_start(At(5), stage)
    assert stage.model.weight.item() == pytest.approx(5 + (4 / 5) ** power * (before - 5), abs=1e-12)
    ema.on_validation_end(At(5), stage)
    assert stage.model.weight.item() == 5.0


def test_the_last_step_counts_and_no_frequency_below_one_is_taken(tmp_path):
    _, ema = fit(tmp_path, 6, every=4, val_check_interval=100)
    assert ema.state_dict()["step"] == 6
    with pytest.raises(ValueError, match="every_n_steps=0"):
        EMA(every_n_steps=0)


def test_the_first_step_copies():
    ema, _ = fed([3.25])
    assert average(ema) == 3.25


def test_a_batch_that_only_accumulates_changes_nothing():
    ema, stage = fed([1.0, 2.0])
    before = average(ema)
    with torch.no_grad():
        stage.model.weight.fill_(100.0)
    ema.on_train_batch_end(At(2), stage, None, None, 0)
    assert average(ema) == before


def test_only_what_learns_is_averaged_and_swapped():
    ema, stage = fed([1.0, 2.0])
    assert list(ema.state_dict()["weights"]) == ["weight"]
    with ema.averaged(stage.model):
        assert (stage.model.frozen.item(), stage.model.place.item()) == (7.0, 5.0)


def test_the_live_weights_come_back_bit_for_bit_also_after_an_error():
    ema, stage = fed([1.0, 1 / 3])
    live = stage.model.weight.detach().clone()
    with ema.averaged(stage.model):
        assert stage.model.weight.item() == average(ema) != live.item()
    assert torch.equal(stage.model.weight, live)
    with pytest.raises(ZeroDivisionError), ema.averaged(stage.model):
        raise ZeroDivisionError
    assert torch.equal(stage.model.weight, live)
    ema.on_validation_start(At(2), stage)
    ema.on_exception(At(), stage, KeyboardInterrupt())
    assert torch.equal(stage.model.weight, live)


def test_to_ask_for_the_average_within_a_validation_does_not_lose_the_live_weights():
    ema, stage = fed([1.0, 1 / 3])
    live = stage.model.weight.detach().clone()
    ema.on_validation_start(At(2), stage)
    with averaged(At(callbacks=[ema]), stage):
        assert stage.model.weight.item() == average(ema)
    assert stage.model.weight.item() == average(ema)
    ema.on_validation_end(At(), stage)
    assert torch.equal(stage.model.weight, live)


def test_a_run_without_an_average_uses_its_own_weights():
    stage = Holder()
    with averaged(At(), stage):
        assert stage.model.weight.item() == 0.0


def test_an_average_goes_on_from_its_state():
    values = [0.5, -1.0, 2.0, 4.0, -3.0]
    whole, _ = fed(values)
    first, _ = fed(values[:2])
    second = EMA(0.1)
    second.load_state_dict(first.state_dict())
    assert average(fed(values[2:], ema=second)[0]) == average(whole)


# --- inside a training


class Stage(Tiny):
    """Tiny, with what it trains where a stage has it."""

    def __init__(self):
        super().__init__()
        self.model = self.linear
        self.validated = []

    def validation_step(self, *_):
        self.validated.append(self.linear.weight.detach().clone())


class Weights(EMA):
    """Keeps the live weights of every optimizer step, beside the average."""

    def __init__(self, every):
        super().__init__(every_n_steps=every)
        self.live = []

    def on_train_batch_end(self, trainer, pl_module, *rest):
        if trainer.global_step > len(self.live):
            self.live.append(pl_module.linear.weight.detach().clone())
        super().on_train_batch_end(trainer, pl_module, *rest)


def fit(folder, steps, resume=None, first=0, every=1, saved=100, **options):
    module, ema = Stage(), Weights(every)
    settings = {"val_check_interval": 4, "check_val_every_n_epoch": None, "limit_val_batches": 1} | options
    callbacks = [ema, Checkpoints(saved)]
    engine = trainer(folder, steps, callbacks, enable_checkpointing=True, num_sanity_val_steps=0, **settings)
    engine.fit(module, loader(first), loader(), ckpt_path=resume, weights_only=True)
    return module, ema


def test_validation_sees_the_average_and_training_goes_on_with_the_live_weights(tmp_path):
    module, ema = fit(tmp_path, 8)
    power = power_exponent(0.1) + 1
    steps = torch.arange(1, 9, dtype=torch.float64)
    for seen, n in zip(module.validated, (4, 8), strict=True):
        weights = (steps[:n] ** power - (steps[:n] - 1) ** power) / n**power
        expected = sum(w * live.double() for w, live in zip(weights, ema.live[:n], strict=True))
        torch.testing.assert_close(seen.double(), expected, rtol=1e-5, atol=1e-8)
    assert torch.equal(module.linear.weight, ema.live[-1])
    assert not torch.equal(module.validated[-1], ema.live[-1])


def test_under_accumulation_the_average_counts_optimizer_steps(tmp_path):
    _, ema = fit(tmp_path, 3, accumulate_grad_batches=2, val_check_interval=100)
    assert ema.state_dict()["step"] == len(ema.live) == 3


@pytest.mark.parametrize("every", [1, 3])
def test_a_resumed_average_is_the_uninterrupted_one_bit_for_bit(tmp_path, every):
    _, whole = fit(tmp_path / "whole", 7, every=every, saved=5)
    halfway = checkpoint_path(Run(tmp_path / "whole").checkpoints, 5)
    _, resumed = fit(tmp_path / "resumed", 7, resume=halfway, first=5, every=every)
    assert whole.state_dict()["step"] == resumed.state_dict()["step"] == 7
    for name, weight in whole.state_dict()["weights"].items():
        assert torch.equal(resumed.state_dict()["weights"][name], weight)
