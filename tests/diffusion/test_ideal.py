import pytest
import torch
from oracle import SCHEDULES, double, scalar

from darkroom.diffusion.ideal import Gaussian, Mixture, points
from darkroom.diffusion.schedule import Flow, coefficients
from darkroom.keys import keys

DATA = Gaussian(0.7, 1.3)
KEYS = keys(seed=0, purpose="test", places=range(3))
MEANS = KEYS.normal((2, 2), dtype=torch.float64)
MIXTURE = Mixture(double(0.2, 0.5, 0.3), MEANS, double(0.4, 0.1, 0.9))
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)


def from_score(mixture, schedule, x_t, t):
    """Tweedie: x0_hat = (x + sigma^2 score) / alpha, with the score by autograd."""
    x = x_t.clone().requires_grad_()
    variances = (schedule.alpha(t) * mixture.stds) ** 2 + schedule.sigma(t) ** 2
    away = x.flatten(1)[:, None] - schedule.alpha(t) * mixture.means.flatten(1)
    dim = away.shape[-1]
    logs = mixture.weights.log() - away.square().sum(-1) / (2 * variances) - dim / 2 * variances.log()
    (score,) = torch.autograd.grad(torch.logsumexp(logs, 1).sum(), x)
    return (x_t + schedule.sigma(t) ** 2 * score) / schedule.alpha(t)


@every_schedule
@pytest.mark.parametrize("t", [0.02, 0.4, 0.9])
def test_the_denoiser_of_a_mixture_is_tweedies_formula(schedule, t):
    x_t = 2 * KEYS.fold("x").normal((2, 2), dtype=torch.float64)
    expected = from_score(MIXTURE, schedule, x_t, scalar(t))
    torch.testing.assert_close(MIXTURE.denoiser(schedule)(x_t, scalar(t)), expected, rtol=1e-9, atol=1e-9)


@every_schedule
def test_a_mixture_of_one_is_a_gaussian(schedule):
    x_t, t = KEYS.normal((2, 2), dtype=torch.float64), double(0.1, 0.5, 1.0)
    one = Mixture(double(1), torch.full((1, 2, 2), DATA.mean, dtype=torch.float64), double(DATA.std))
    torch.testing.assert_close(one.denoiser(schedule)(x_t, t), DATA.denoiser(schedule)(x_t, t), rtol=1e-9, atol=1e-12)


def test_points_are_remembered_from_little_noise_and_averaged_from_pure_noise():
    denoise = points(MEANS).denoiser(Flow())
    torch.testing.assert_close(denoise(0.99 * MEANS, scalar(0.01)), MEANS)
    torch.testing.assert_close(denoise(MEANS, scalar(1.0)), MEANS.mean(0).expand(3, 2, 2))


def test_the_denoiser_is_the_mean_of_clean_samples_and_its_error_the_posterior_variance():
    schedule, t = Flow(), scalar(0.4)
    many = keys(seed=2, purpose="test", places=range(50_000))
    x0 = DATA.mean + DATA.std * many.fold("x0").normal((1,), dtype=torch.float64)
    at = coefficients(schedule, t, like=x0)
    x_t = at.alpha * x0 + at.sigma * many.fold("eps").normal((1,), dtype=torch.float64)
    error = DATA.denoiser(schedule)(x_t, t) - x0
    assert error.square().mean().item() == pytest.approx(DATA.posterior_variance(schedule, t).item(), rel=0.03)
    assert (error * x_t).mean().item() == pytest.approx(0, abs=0.02)  # an error that x_t could still explain


@every_schedule
def test_the_flow_map_solves_the_ode_of_the_denoiser(schedule):
    x_t, t, step = double(-1, 0.5, 2).reshape(3, 1), scalar(0.4004), 1e-6
    flow = DATA.flow_map(schedule)
    slope = (flow(x_t, t, t + step) - flow(x_t, t, t - step)) / (2 * step)
    at = coefficients(schedule, t, like=x_t)
    x0_hat = DATA.denoiser(schedule)(x_t, t)
    velocity = at.d_alpha * x0_hat + at.d_sigma * (x_t - at.alpha * x0_hat) / at.sigma
    torch.testing.assert_close(slope, velocity, rtol=1e-5, atol=1e-6)


@every_schedule
def test_the_flow_map_goes_in_stages_and_carries_marginals_to_marginals(schedule):
    x_t, flow = double(-1, 0.5, 2).reshape(3, 1), DATA.flow_map(schedule)
    t, s, r = scalar(0.9), scalar(0.5), scalar(0.0)
    torch.testing.assert_close(flow(flow(x_t, t, s), s, r), flow(x_t, t, r), rtol=1e-12, atol=1e-12)
    mean, variance = DATA.marginal(schedule, t)
    one_std_up = (mean + variance.sqrt()).reshape(1, 1)
    assert flow(one_std_up, t, r).item() == pytest.approx(DATA.mean + DATA.std)


def test_on_the_flow_path_the_flow_map_has_its_closed_form():
    noise = double(-1, 0.5, 2).reshape(3, 1)
    torch.testing.assert_close(DATA.flow_map(Flow())(noise, scalar(1.0), scalar(0.0)), 0.7 + 1.3 * noise)
