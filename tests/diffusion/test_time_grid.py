import pytest
import torch
from oracle import SCHEDULES, double

from darkroom.diffusion.schedule import Cosine, Flow, ScaledLinear, VarianceExploding, VPLinear
from darkroom.diffusion.time_grid import karras, log_snr, native, uniform

EVERYWHERE = [uniform, native]
FINITE = [karras, log_snr]


@pytest.mark.parametrize("num_steps", [1, 2, 7, 50, 1000])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("grid", EVERYWHERE + FINITE)
def test_grids_fall_from_one_to_exactly_zero_in_float64(grid, schedule, num_steps):
    if grid in FINITE and isinstance(schedule, Flow | Cosine):
        with pytest.raises(ValueError, match=f"{grid.__name__} needs a finite.*use uniform"):
            grid(num_steps, schedule)
        return
    times = grid(num_steps, schedule)
    assert (times.dtype, times.shape) == (torch.float64, (num_steps + 1,))
    assert times[0] == pytest.approx(1, abs=1e-12)
    assert times[0] <= 1
    assert times[-1] == 0
    assert (times.diff() < 0).all()


@pytest.mark.parametrize("grid", EVERYWHERE + FINITE)
def test_less_than_one_step_is_refused(grid):
    with pytest.raises(ValueError, match="num_steps=0"):
        grid(0, ScaledLinear())


def test_uniform_on_the_flow_path_is_linear_in_time_and_shifts_by_the_formula():
    line = 1 - torch.arange(11, dtype=torch.float64) / 10
    torch.testing.assert_close(uniform(10, Flow()), line, rtol=0, atol=1e-15)
    torch.testing.assert_close(uniform(10, Flow(), shift=3.0), 3 * line / (1 + 2 * line), rtol=0, atol=1e-15)


def test_shifted_once_the_last_noise_is_half_of_what_shifting_twice_leaves():
    assert uniform(10, Flow(), shift=3.0)[-2].item() == pytest.approx(0.25)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_uniform_takes_equal_steps_of_the_noise_fraction(schedule):
    times = uniform(9, schedule)
    fraction = schedule.sigma(times) / (schedule.alpha(times) + schedule.sigma(times))
    torch.testing.assert_close(fraction.diff(), (fraction[0] / -9).expand(9), rtol=1e-9, atol=1e-12)


def test_on_a_table_the_native_grid_is_trailing():
    assert (native(10, ScaledLinear())[:-1] * 1000 - 1).round().tolist() == [999 - 100 * i for i in range(10)]


def test_the_native_grid_takes_no_more_steps_than_there_are_entries():
    with pytest.raises(ValueError, match="num_steps=101 is more than the 100 entries"):
        native(101, ScaledLinear(steps=100))


def test_the_native_grid_of_the_exploding_path_has_equal_steps_of_the_seventh_root():
    roots = (80 * native(12, VarianceExploding())[:-1]) ** (1 / 7)
    torch.testing.assert_close(roots.diff(), roots.diff().mean().expand(11), rtol=1e-9, atol=0)
    assert roots[-1] + roots.diff()[-1] == pytest.approx(0.002 ** (1 / 7))


def test_karras_has_the_published_noise_levels():
    ratios = 80 * karras(32, VarianceExploding())  # EDM2: intervals of guidance are given by these
    assert ratios[17].item() == pytest.approx(1.609, abs=1e-3)
    assert ratios[23].item() == pytest.approx(0.189, abs=1e-3)
    assert ratios[31].item() == pytest.approx(0.002)


@pytest.mark.parametrize("schedule", [VPLinear(), ScaledLinear(), VarianceExploding()], ids=lambda s: type(s).__name__)
def test_grids_in_ratios_run_over_the_whole_schedule(schedule):
    for grid in FINITE:
        ratios = schedule.ratio(grid(13, schedule))
        torch.testing.assert_close(ratios[[0, 12]], double(schedule.ratio(1.0), schedule.ratio_min))
    steps = schedule.log_snr(log_snr(13, schedule)[:-1]).diff()
    torch.testing.assert_close(steps, steps.mean().expand(12), rtol=1e-9, atol=1e-9)


def test_an_exponent_that_is_not_positive_is_refused_by_its_key():
    with pytest.raises(ValueError, match=r"sampler\.grid\.exponent=0 must be positive"):
        karras(4, VarianceExploding(0.004, 160.0), exponent=0)
