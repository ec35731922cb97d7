import itertools

import pytest
import torch
from oracle import PROCESSES, double, ideal_network, process_of, scalar

from darkroom.contracts import Condition
from darkroom.diffusion.ideal import Gaussian
from darkroom.diffusion.parameterization import X0, Edm, Eps, V, Velocity
from darkroom.diffusion.process import Process
from darkroom.diffusion.schedule import Cosine, Flow, ScaledLinear, VarianceExploding, coefficients
from darkroom.diffusion.time_law import Uniform
from darkroom.diffusion.weighting import Constant, MinSNR
from darkroom.keys import keys

DATA = Gaussian(0.7, 1.3)
KEYS = keys(seed=0, purpose="noise", places=range(4000))
every_process = pytest.mark.parametrize("name", PROCESSES)


def samples(places, shape=(4, 2)):
    return DATA.mean + DATA.std * keys(seed=5, purpose="data", places=places).normal(shape, dtype=torch.float64)


@every_process
def test_the_ideal_network_reaches_the_irreducible_loss_and_no_less(name):
    process = process_of(name)
    losses = process.loss(ideal_network(process, DATA), samples(range(len(KEYS))), Condition(), KEYS)
    t = process.time_law(KEYS.fold("time"), process.schedule)
    at = coefficients(process.schedule, t, like=t)
    factor = process.parameterization.factor(at)
    expected = process.weighting(factor, at) * factor * DATA.posterior_variance(process.schedule, t)
    surplus = losses - expected
    assert abs(surplus.mean()) < 4 * surplus.std() / len(KEYS) ** 0.5
    assert surplus.std() / len(KEYS) ** 0.5 < 0.02 * expected.mean()  # the line above could have failed


@pytest.mark.parametrize(
    ("parameterization", "closed_form"),
    [
        (Eps(), lambda at, v: (at.alpha * DATA.std) ** 2 / v),
        (X0(), lambda at, v: (at.sigma * DATA.std) ** 2 / v),
        (Velocity(), lambda _, v: (80 * DATA.std) ** 2 / v),  # W = -ratio_max where alpha = 1
        (Edm(1.3), lambda at, _: torch.ones_like(at.alpha)),
    ],
    ids=lambda p: type(p).__name__,
)
def test_irreducible_losses_are_the_published_closed_forms(parameterization, closed_form):
    schedule, t = VarianceExploding(), double(1e-3, 0.02, 0.5)
    at = coefficients(schedule, t, like=t)
    variance = (at.alpha * DATA.std) ** 2 + at.sigma**2
    lowest = parameterization.factor(at) * DATA.posterior_variance(schedule, t)
    torch.testing.assert_close(lowest, closed_form(at, variance))


@every_process
def test_the_denoiser_of_the_ideal_network_is_the_ideal_denoiser(name):
    process = process_of(name)
    denoise = process.denoiser(ideal_network(process, DATA), Condition())
    x_t = 3 * samples(range(3))
    for t in (double(0.001, 0.4, 1.0), scalar(0.3)):
        expected = DATA.denoiser(process.schedule)(x_t, t)
        torch.testing.assert_close(denoise(x_t, t), expected, rtol=1e-9, atol=1e-9)


@every_process
def test_the_loss_of_a_sample_does_not_depend_on_its_batch(name):
    process = process_of(name)
    network = ideal_network(process, DATA)
    whole = process.loss(network, samples(range(8)), Condition(), KEYS[:8])
    parts = [process.loss(network, samples(part), Condition(), KEYS[part[0] : part[-1] + 1]) for part in PARTS]
    assert torch.equal(whole, torch.cat(parts))


PARTS = [range(3), range(3, 8)]


def test_times_and_noises_are_the_named_draws_of_the_keys():
    process, x0, seen = process_of("flow"), samples(range(5)).float(), {}

    def network(x, time, condition):
        seen.update(x=x, time=time, condition=condition)
        return torch.zeros_like(x)

    condition = Condition(vector=torch.zeros(5, 1))
    loss = process.loss(network, x0, condition, KEYS[:5])
    t = process.time_law(KEYS[:5].fold("time"), process.schedule).float()
    eps = KEYS[:5].fold("noise").normal((4, 2))
    weight = t.reshape(-1, 1, 1)
    torch.testing.assert_close(seen["x"], (1 - weight) * x0 + weight * eps)
    torch.testing.assert_close(seen["time"], 1000 * t)
    assert seen["condition"] is condition
    torch.testing.assert_close(loss, (eps - x0).square().mean((1, 2)))


def test_the_weighting_multiplies_the_native_loss():
    weighted = process_of("ddpm_v")
    plain = Process(weighted.schedule, weighted.parameterization, weighted.time_law, Constant())

    def network(x, *_):
        return 0.5 * x

    x0 = samples(range(50))
    t = weighted.time_law(KEYS[:50].fold("time"), weighted.schedule)
    snr = torch.exp(weighted.schedule.log_snr(t))
    expected = plain.loss(network, x0, Condition(), KEYS[:50]) * snr.clamp(max=5) / (snr + 1)
    torch.testing.assert_close(weighted.loss(network, x0, Condition(), KEYS[:50]), expected)


@every_process
def test_all_but_the_network_is_float32_under_autocast(name):
    process = process_of(name)
    layer = torch.nn.Linear(2, 2)
    dtypes = []

    def network(x, time, _):
        dtypes.extend([x.dtype, time.dtype, layer(x).dtype])
        return layer(x)

    with torch.autocast("cpu", torch.bfloat16):
        loss = process.loss(network, samples(range(4)).float(), Condition(), KEYS[:4])
        x0_hat = process.denoiser(network, Condition())(samples(range(4)).bfloat16(), scalar(0.5))
    assert dtypes == [torch.float32, torch.float32, torch.bfloat16] * 2
    assert (loss.dtype, x0_hat.dtype) == (torch.float32, torch.float32)


@every_process
def test_gradients_reach_the_network_and_are_finite(name):
    process, layer = process_of(name), torch.nn.Linear(2, 2)
    loss = process.loss(lambda x, *_: layer(x), samples(range(64)).float(), Condition(), KEYS[:64])
    loss.mean().backward()
    assert torch.isfinite(layer.weight.grad).all()
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("schedule", "parameterization"),
    itertools.product([Flow(), Cosine()], [Eps(), Edm()]),
    ids=lambda p: type(p).__name__,
)
def test_a_parameterization_that_needs_a_finite_ratio_is_refused_where_there_is_none(schedule, parameterization):
    with pytest.raises(ValueError, match=f"{type(parameterization).__name__}.*{type(schedule).__name__}.*use V"):
        Process(schedule, parameterization, Uniform(), Constant())


@pytest.mark.parametrize("parameterization", [X0(), V(), Velocity()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize(
    "schedule", [Flow(), Cosine(), ScaledLinear(), VarianceExploding()], ids=lambda p: type(p).__name__
)
def test_every_other_pair_is_accepted(schedule, parameterization):
    assert Process(schedule, parameterization, Uniform(), MinSNR()).schedule is schedule
