"""Learning-rate schedules on their values."""

import pytest
import torch

from darkroom.stages.lr_schedule import Constant, Cosine, InverseSqrt

SCHEDULES = [Constant(10), Cosine(100, warmup_steps=10), InverseSqrt(50, warmup_steps=10)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda each: type(each).__name__)
def test_the_rate_rises_linearly_and_the_first_step_learns(schedule):
    assert [schedule(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])


@pytest.mark.parametrize("schedule", [Constant(), Cosine(100), InverseSqrt(50)], ids=lambda each: type(each).__name__)
def test_without_warmup_the_first_step_is_at_full_rate(schedule):
    assert schedule(0) == 1.0


def test_constant_stays():
    assert {Constant(10)(step) for step in (10, 1000, 10**9)} == {1.0}


def test_cosine_passes_its_quarters_and_stays_at_the_end():
    schedule = Cosine(110, warmup_steps=10, final=0.2)
    quarters = [1.0, 0.2 + 0.8 * (2 + 2**0.5) / 4, 0.6, 0.2 + 0.8 * (2 - 2**0.5) / 4, 0.2, 0.2]
    assert [schedule(step) for step in (10, 35, 60, 85, 110, 5000)] == pytest.approx(quarters)


def test_a_cosine_shorter_than_its_warmup_ends_at_the_final_rate():
    assert Cosine(5, warmup_steps=10)(11) == 0.0


def test_inverse_sqrt_halves_at_four_times_the_reference():
    schedule = InverseSqrt(50, warmup_steps=10)
    assert [schedule(step) for step in (50, 200, 5000)] == pytest.approx([1.0, 0.5, 0.1])
    with pytest.raises(ValueError, match="reference_steps=0"):
        InverseSqrt(0)


def test_torch_takes_them_and_a_resumed_schedule_goes_on():
    def rates(start: int) -> list[float]:
        optimizer = torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "initial_lr": 2.0}], lr=2.0)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, Cosine(20, warmup_steps=4), last_epoch=start - 1)
        found = []
        for _ in range(start, 20):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return found

    assert rates(0)[0] == 0.5
    assert rates(0)[7:] == rates(7)
