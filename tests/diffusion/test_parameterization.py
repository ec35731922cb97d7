import pytest
import torch
from oracle import SCHEDULES, double

from darkroom.diffusion.parameterization import X0, Edm, Eps, V, Velocity
from darkroom.diffusion.schedule import Cosine, Flow, ScaledLinear, VarianceExploding, VPLinear, coefficients
from darkroom.keys import keys

TIMES = double(0.0034, 0.1004, 0.3704, 0.5002, 0.8007, 0.9704)  # between the entries of the tables
KEYS = keys(seed=0, purpose="test", places=range(len(TIMES)))
CLEAN, EPS = (KEYS.fold(name).normal((3, 2), dtype=torch.float64) for name in ("x0", "eps"))
PARTS = [Eps(), X0(), V(), Velocity(), Edm(0.5), Edm(1.3)]

every_part = pytest.mark.parametrize("part", PARTS, ids=lambda p: type(p).__name__)
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)


def noisy(schedule):
    at = coefficients(schedule, TIMES, like=CLEAN)
    return at, at.alpha * CLEAN + at.sigma * EPS


@every_schedule
@every_part
def test_the_target_means_the_clean_sample(schedule, part):
    at, x_t = noisy(schedule)
    tolerance = 1e-12 * max(1, at.sigma.max().item())  # eps is a difference of numbers as large as sigma
    torch.testing.assert_close(part.x0_hat(part.target(CLEAN, EPS, at), x_t, at), CLEAN, rtol=0, atol=tolerance)


@every_schedule
@every_part
def test_an_error_of_the_prediction_is_k_times_that_of_the_clean_sample(schedule, part):
    at, x_t = noisy(schedule)
    target = part.target(CLEAN, EPS, at)
    off = 0.1 * KEYS.fold("off").normal((3, 2), dtype=torch.float64)
    of_x0 = (part.x0_hat(target + off, x_t, at) - CLEAN).square().sum((1, 2))
    torch.testing.assert_close(off.square().sum((1, 2)), part.factor(at).flatten() * of_x0, rtol=1e-8, atol=0)


def test_factors_are_the_published_ones():
    vp, flow = coefficients(Cosine(), TIMES, like=CLEAN), coefficients(Flow(), TIMES, like=CLEAN)
    snr = (vp.alpha / vp.sigma) ** 2
    torch.testing.assert_close(Eps().factor(vp), snr)
    torch.testing.assert_close(V().factor(vp), snr + 1)
    torch.testing.assert_close(Velocity().factor(flow).flatten(), TIMES**-2)


@every_schedule
def test_the_velocity_is_the_slope_of_the_path(schedule):
    step = 1e-7
    before, after = (coefficients(schedule, TIMES + d, like=CLEAN) for d in (-step, step))
    slope = ((after.alpha - before.alpha) * CLEAN + (after.sigma - before.sigma) * EPS) / (2 * step)
    at, _ = noisy(schedule)
    torch.testing.assert_close(Velocity().target(CLEAN, EPS, at), slope, rtol=1e-5, atol=1e-5)


def test_the_edm_target_has_unit_variance_for_data_of_its_std():
    many = keys(seed=1, purpose="test", places=range(4))
    x0, eps = (many.fold(name).normal((100_000,), dtype=torch.float64) for name in ("x0", "eps"))
    at = coefficients(VarianceExploding(), double(1e-4, 1e-2, 0.1, 1), like=x0)
    torch.testing.assert_close(Edm(0.5).target(0.5 * x0, eps, at).var(1), torch.ones(4).double(), rtol=0.02, atol=0)
    assert (Edm(0.5).c_in(at) * (0.5 * at.alpha * x0 + at.sigma * eps)).var(1).numpy() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("schedule", [Cosine(), VPLinear(), ScaledLinear()], ids=lambda s: type(s).__name__)
def test_edm_with_unit_std_is_minus_v_where_variance_is_preserved(schedule):
    at, _ = noisy(schedule)
    torch.testing.assert_close(Edm(1.0).target(CLEAN, EPS, at), -V().target(CLEAN, EPS, at), rtol=1e-12, atol=1e-12)


def test_networks_are_fed_numbers_of_order_one():
    for part in (Eps(), X0(), V(), Velocity()):
        for schedule in (Flow(), Cosine(), ScaledLinear()):
            at, _ = noisy(schedule)
            torch.testing.assert_close(part.c_in(at), torch.ones_like(at.alpha))
        at, _ = noisy(VarianceExploding())
        torch.testing.assert_close(part.c_in(at), (1 + at.sigma**2).rsqrt())


def test_edm_shows_its_network_a_quarter_of_the_log_ratio_on_any_schedule():
    for schedule in SCHEDULES:
        shown = Edm().network_time(schedule, TIMES)
        torch.testing.assert_close(shown, schedule.log_snr(TIMES) / -8, rtol=1e-12, atol=1e-12)
        assert torch.equal(Eps().network_time(schedule, TIMES), schedule.network_time(TIMES))
