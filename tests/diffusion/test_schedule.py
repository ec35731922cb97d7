import pytest
import torch
from diffusers import DDPMScheduler
from oracle import SCHEDULES, double, scalar

from darkroom.diffusion.schedule import BetaTable, Cosine, Flow, ScaledLinear, VarianceExploding, VPLinear, shift

BETWEEN = torch.linspace(0.00037, 0.99971, 57, dtype=torch.float64)  # never an entry of a table
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)


@every_schedule
@pytest.mark.parametrize("name", ["alpha", "sigma"])
def test_derivatives_agree_with_autograd_and_with_finite_differences(schedule, name):
    t = BETWEEN.clone().requires_grad_()
    value, slope = getattr(schedule, name), getattr(schedule, f"d_{name}")
    graph = value(t).sum()
    by_autograd = torch.autograd.grad(graph, t)[0] if graph.requires_grad else torch.zeros_like(t)
    by_difference = (value(BETWEEN + 1e-7) - value(BETWEEN - 1e-7)) / 2e-7
    torch.testing.assert_close(slope(BETWEEN), by_autograd, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(slope(BETWEEN), by_difference, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_at_an_entry_of_a_table_the_derivative_is_that_of_the_stretch_towards_data(dtype):
    schedule = ScaledLinear()
    entries = torch.arange(1, 1001, dtype=torch.float64) / 1000
    before = (schedule.sigma(entries) - schedule.sigma(entries - 1e-8)) / 1e-8
    torch.testing.assert_close(schedule.d_sigma(entries.to(dtype)), before.to(dtype), rtol=1e-4, atol=1e-6)


@every_schedule
def test_time_inverts_ratio(schedule):
    t = torch.cat([double(0, 1e-6, 1e-3, 1), BETWEEN])
    torch.testing.assert_close(schedule.time(schedule.ratio(t)), t, rtol=1e-12, atol=1e-13)


@every_schedule
def test_a_ratio_past_the_largest_is_time_one(schedule):
    assert schedule.time(double(1e30, torch.inf)).tolist() == [1.0, 1.0]


@every_schedule
def test_time_zero_is_exactly_clean(schedule):
    assert schedule.alpha(0.0) == 1
    assert schedule.sigma(0.0) == 0


@every_schedule
def test_only_schedules_that_say_so_end_in_pure_noise(schedule):
    assert (schedule.alpha(1.0) == 0) == getattr(schedule, "ends_in_pure_noise", False)


@every_schedule
@pytest.mark.parametrize("name", ["alpha", "sigma", "d_alpha", "d_sigma", "ratio", "log_snr", "time", "network_time"])
def test_methods_answer_in_kind(schedule, name):
    method = getattr(schedule, name)
    assert isinstance(method(0.3), float)
    for dtype in (torch.float32, torch.float64):
        answer = method(torch.tensor([[0.3, 0.6]], dtype=dtype))
        assert (answer.dtype, answer.shape) == (dtype, (1, 2))
        assert answer[0, 0].item() == pytest.approx(method(0.3), rel=1e-4)


@every_schedule
def test_noise_rises_with_time(schedule):
    assert (schedule.ratio(BETWEEN).diff() > 0).all()


@pytest.mark.parametrize(
    ("schedule", "first", "last", "smallest", "largest"),
    [
        (VPLinear(), 0.999900, 4.0358e-5, 0.0100, 157.41),
        (ScaledLinear(), 0.999150, 4.6601e-3, 0.0292, 14.615),
        (ScaledLinear(0.0015, 0.0195), 0.998500, 1.4230e-4, 0.0388, 83.82),
        (ScaledLinear(0.0015, 0.0155), 0.998500, 6.687e-4, 0.0388, 38.66),
        (ScaledLinear(0.0015, 0.0205), 0.998500, 9.691e-5, 0.0388, 101.58),
    ],
)
def test_tables_have_the_published_ends(schedule, first, last, smallest, largest):
    assert schedule.alpha(0.001) ** 2 == pytest.approx(first, abs=5e-7)
    assert schedule.alpha(1.0) ** 2 == pytest.approx(last, rel=2e-4)
    assert schedule.ratio(0.001) == pytest.approx(smallest, abs=5e-5)
    assert schedule.ratio(1.0) == pytest.approx(largest, rel=2e-4)
    assert schedule.ratio_min == pytest.approx(schedule.ratio(0.001))


@pytest.mark.parametrize(
    ("schedule", "name", "start", "end"),
    [(VPLinear(), "linear", 1e-4, 0.02), (ScaledLinear(), "scaled_linear", 8.5e-4, 0.012)],
)
def test_every_entry_of_a_table_agrees_with_diffusers(schedule, name, start, end):
    theirs = DDPMScheduler(beta_start=start, beta_end=end, beta_schedule=name).alphas_cumprod.double()
    ours = schedule.alpha(torch.arange(1, 1001, dtype=torch.float64) / 1000) ** 2
    torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=0)


def test_between_entries_the_logarithm_of_the_ratio_is_linear():
    schedule = VPLinear()
    ends, middle = schedule.ratio(double(0.4, 0.401)).log(), schedule.ratio(scalar(0.4003)).log()
    assert middle.item() == pytest.approx((0.7 * ends[0] + 0.3 * ends[1]).item(), abs=1e-12)


def test_variance_preserving_schedules_preserve_variance():
    for schedule in (Cosine(), VPLinear(), ScaledLinear()):
        total = schedule.alpha(BETWEEN) ** 2 + schedule.sigma(BETWEEN) ** 2
        torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-14, atol=0)


def test_networks_are_shown_the_index_of_a_table_a_scaled_t_or_a_quarter_of_the_log_ratio():
    assert ScaledLinear().network_time(1.0) == 999
    assert ScaledLinear().network_time(0.001) == pytest.approx(0, abs=1e-12)
    assert Flow().network_time(0.25) == 250
    assert Flow(time_scale=1.0).network_time(0.25) == 0.25
    assert VarianceExploding().network_time(1.0) == pytest.approx(torch.log(scalar(80.0)).item() / 4)


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_a_shift_on_the_flow_path_has_its_closed_form(factor):
    t = torch.cat([double(0, 1), BETWEEN])
    torch.testing.assert_close(shift(t, factor, Flow()), factor * t / (1 + (factor - 1) * t), rtol=1e-12, atol=1e-15)


@every_schedule
def test_a_shift_translates_the_log_snr(schedule):
    t = double(0.2, 0.35, 0.5)
    moved = schedule.log_snr(shift(t, 1.7, schedule))
    torch.testing.assert_close(moved, schedule.log_snr(t) - 2 * torch.log(scalar(1.7)), rtol=1e-10, atol=1e-10)


def test_a_table_of_another_length_keeps_its_ends_at_its_own_times():
    schedule = BetaTable(torch.full((10,), 0.1))
    assert schedule.alpha(1.0) ** 2 == pytest.approx(0.9**10)
    assert schedule.alpha(0.1) ** 2 == pytest.approx(0.9)
