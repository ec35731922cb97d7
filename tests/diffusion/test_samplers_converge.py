"""Every sampler on every process of the configuration, against the exact solution for Gaussian data."""

import functools
import itertools
import math

import pytest
import torch
from oracle import PROCESSES, SAMPLERS, double, exact_moments, ideal_network, plan_of, process_of

from darkroom.contracts import Condition
from darkroom.diffusion.ideal import Gaussian
from darkroom.diffusion.samplers.ancestral import sample_ancestral
from darkroom.diffusion.samplers.ddim import sample_ddim
from darkroom.diffusion.samplers.euler import sample_euler
from darkroom.diffusion.samplers.heun import sample_edm, sample_heun
from darkroom.diffusion.schedule import Cosine, Flow, ScaledLinear, VarianceExploding, VPLinear
from darkroom.diffusion.time_grid import karras, uniform

DATA = Gaussian(0.7, 1.3)
ORDERS = {"euler": 1, "euler_shifted": 1, "ddim": 1, "ddpm": 1, "heun": 2, "edm": 2}
STEPS = {1: 48, 2: 32}  # by order, and twice as many: with fewer the next order's error is still seen
REFUSED = {("edm", "flow"), ("edm", "flow_shifted"), ("edm", "cosine")}
ALLOWED = [pair for pair in itertools.product(SAMPLERS, PROCESSES) if pair not in REFUSED]


def order(errors):
    """The slope of the error over a halved step."""
    return math.log2(errors[0] / errors[1])


def moment_errors(sampler, denoiser, schedule, num_steps):
    times = [uniform(n, schedule) for n in (num_steps, 2 * num_steps)]
    moments = [exact_moments(sampler, denoiser, DATA, schedule, t) for t in times]
    return [[abs(m - DATA.mean) for m, _ in moments], [abs(v - DATA.std**2) for _, v in moments]]


def test_every_configured_sampler_has_its_order_here():
    assert set(SAMPLERS) == set(ORDERS)


@pytest.mark.parametrize(("sampler", "process"), ALLOWED)
def test_mean_and_variance_converge_at_the_order_of_the_method(sampler, process):
    process, plan = process_of(process), plan_of(sampler)
    plan.check(process.schedule)
    denoiser = process.denoiser(ideal_network(process, DATA), Condition())
    of_mean, of_variance = moment_errors(plan.sampler, denoiser, process.schedule, STEPS[ORDERS[sampler]])
    assert max(of_mean) < 1e-8 or order(of_mean) == pytest.approx(ORDERS[sampler], abs=0.2)
    assert order(of_variance) == pytest.approx(ORDERS[sampler], abs=0.4)


@pytest.mark.parametrize(("sampler", "process"), sorted(REFUSED))
def test_every_other_pair_is_refused_by_name(sampler, process):
    schedule, plan = process_of(process).schedule, plan_of(sampler)
    with pytest.raises(ValueError, match=f"sample_edm needs a finite.*{type(schedule).__name__}.*use sample_heun"):
        plan.check(schedule)
    with pytest.raises(ValueError, match="sample_edm needs a finite"):
        plan(DATA.denoiser(schedule), double(0).reshape(1, 1), schedule)
    with pytest.raises(ValueError, match="sample_edm needs a finite"):
        sample_edm(DATA.denoiser(schedule), double(0).reshape(1, 1), schedule, double(1, 0))


@pytest.mark.parametrize(
    "sampler",
    [
        functools.partial(sample_ddim, eta=0.5),
        functools.partial(sample_ddim, eta=1.0),
        functools.partial(sample_ancestral, large=True),
    ],
    ids=["half", "ddim", "large"],
)
@pytest.mark.parametrize("schedule", [Flow(), Cosine(), ScaledLinear(), VarianceExploding()], ids=lambda s: str(s)[:9])
def test_the_noisier_choices_converge_too(sampler, schedule):
    of_mean, of_variance = moment_errors(sampler, DATA.denoiser(schedule), schedule, 64)
    assert max(of_mean) < 1e-8
    assert order(of_variance) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("schedule", [VPLinear(), VarianceExploding()], ids=["VPLinear", "VarianceExploding"])
def test_churn_keeps_the_right_moments(schedule):
    sampler = functools.partial(sample_edm, churn=5.0)
    of_mean, of_variance = moment_errors(sampler, DATA.denoiser(schedule), schedule, 64)
    assert max(of_mean) < 1e-8
    assert of_variance[1] < 3e-3
    assert of_variance[1] < of_variance[0] / 2


@pytest.mark.parametrize(
    ("sampler", "errors"),
    [(sample_euler, [0.198, 0.103, 0.052, 0.026, 0.013]), (sample_heun, [1.1e-2, 2.5e-3, 5.9e-4, 1.4e-4, 3.5e-5])],
)
def test_errors_on_the_flow_path_are_the_published_ones(sampler, errors):
    schedule, one = Flow(), torch.ones(1, 1, dtype=torch.float64)
    ends = [sampler(DATA.denoiser(schedule), one, schedule, uniform(8 * 2**n, schedule)).item() for n in range(5)]
    assert [abs(end - (0.7 + 1.3)) for end in ends] == pytest.approx(errors, rel=0.04)


def test_variances_on_the_flow_path_are_the_published_ones():
    schedule = Flow()
    moments = functools.partial(exact_moments, denoiser=DATA.denoiser(schedule), data=DATA, schedule=schedule)
    assert moments(sample_euler, times=uniform(8, schedule)) == pytest.approx((0.7, 1.21488), abs=1e-5)
    stochastic = functools.partial(sample_ddim, eta=1.0)
    assert moments(stochastic, times=uniform(20, schedule)) == pytest.approx((0.7, 1.35145), abs=1e-5)


@pytest.mark.parametrize(("num_steps", "std"), [(18, 1.35364), (40, 1.30943), (64, 1.30344), (256, 1.30004)])
def test_edm_on_its_grid_has_the_published_moments(num_steps, std):
    schedule = VarianceExploding()
    noise = double(0, 1).reshape(2, 1)
    ends = sample_edm(DATA.denoiser(schedule), noise, schedule, karras(num_steps, schedule)).flatten()
    assert (ends[1] - ends[0]).item() == pytest.approx(std, abs=1e-5)
    if num_steps == 256:
        assert ends[0].item() == pytest.approx(0.68862, abs=1e-4)


def test_equal_ratios_give_equal_deterministic_samples_on_every_schedule():
    noise = double(-1.5, 0.2, 2).reshape(3, 1)
    flow = Flow()
    for schedule in (Cosine(), VPLinear(), VarianceExploding()):
        times = uniform(12, schedule)
        on_flow = flow.time(schedule.ratio(times))
        scale = (schedule.sigma(times[0]) / schedule.alpha(times[0]).clamp(min=1e-300)) * flow.alpha(on_flow[0])
        start = noise if flow.alpha(on_flow[0]) == 0 else noise * scale / flow.sigma(on_flow[0])
        for sampler in (sample_ddim, sample_heun):
            here = sampler(DATA.denoiser(schedule), noise, schedule, times)
            torch.testing.assert_close(here, sampler(DATA.denoiser(flow), start, flow, on_flow), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("schedule", [Flow(), ScaledLinear(), VarianceExploding()], ids=lambda s: str(s)[:9])
def test_ancestral_sampling_is_ddim_with_all_the_noise(schedule):
    times = uniform(10, schedule)
    ancestral = exact_moments(sample_ancestral, DATA.denoiser(schedule), DATA, schedule, times)
    stochastic = functools.partial(sample_ddim, eta=1.0)
    assert ancestral == pytest.approx(exact_moments(stochastic, DATA.denoiser(schedule), DATA, schedule, times))


@pytest.mark.parametrize("schedule", [Flow(), Cosine(), VPLinear(), VarianceExploding()], ids=lambda s: str(s)[:9])
def test_of_ddpms_two_variances_one_is_right_without_and_one_with_unit_variance_on_paths_that_preserve_it(schedule):
    times = uniform(5, schedule)[:-1]  # the last step draws nothing
    preserves = isinstance(schedule, Cosine | VPLinear)
    for large, std, right in ((False, 0.0, True), (True, 1.0, preserves)):
        data, sampler = Gaussian(0.7, std), functools.partial(sample_ancestral, large=large)
        _, expected = data.marginal(schedule, times[-1])
        _, variance = exact_moments(sampler, data.denoiser(schedule), data, schedule, times)
        assert (variance == pytest.approx(expected.item(), rel=1e-6)) is right


def test_euler_is_ddim_on_the_flow_path():
    schedule, noise = Flow(), double(-1.5, 0.2, 2).reshape(3, 1)
    for times in (uniform(7, schedule), uniform(7, schedule, shift=3.0)):
        euler, ddim = (f(DATA.denoiser(schedule), noise, schedule, times) for f in (sample_euler, sample_ddim))
        torch.testing.assert_close(euler, ddim, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(("sampler", "process"), ALLOWED)
def test_plans_as_configured_end_near_the_data(sampler, process):
    schedule, plan = process_of(process).schedule, plan_of(sampler)
    times = plan.grid(plan.num_steps, schedule)
    assert times[0] == pytest.approx(1, abs=1e-12)
    mean, variance = exact_moments(plan.sampler, DATA.denoiser(schedule), DATA, schedule, times)
    assert mean == pytest.approx(DATA.mean, abs=0.03)
    assert variance**0.5 == pytest.approx(DATA.std, rel=0.1)
