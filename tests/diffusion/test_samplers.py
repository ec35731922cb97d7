import functools
import math

import pytest
import torch
from oracle import SAMPLERS, double, plan_of, scalar

from darkroom.diffusion.ideal import Gaussian
from darkroom.diffusion.plan import SamplingPlan
from darkroom.diffusion.samplers.ancestral import sample_ancestral
from darkroom.diffusion.samplers.ddim import sample_ddim
from darkroom.diffusion.samplers.euler import sample_euler
from darkroom.diffusion.samplers.heun import sample_edm, sample_heun
from darkroom.diffusion.schedule import Flow, ScaledLinear
from darkroom.diffusion.time_grid import uniform
from darkroom.keys import keys

SCHEDULE = ScaledLinear()
DENOISER = Gaussian(0.7, 1.3).denoiser(SCHEDULE)
TIMES = uniform(6, SCHEDULE)
KEYS = keys(seed=0, purpose="sample", places=range(6))
NOISE = KEYS.normal((2, 3))
STOCHASTIC = [functools.partial(sample_ddim, eta=1.0), sample_ancestral, functools.partial(sample_edm, churn=2.0)]
DETERMINISTIC = [sample_ddim, sample_euler, sample_heun, sample_edm]
EVERY = STOCHASTIC + DETERMINISTIC
by_name = {"ids": lambda f: f.__name__ if hasattr(f, "__name__") else f"{f.func.__name__}-{f.keywords}"}


@pytest.mark.parametrize("sampler", EVERY, **by_name)
def test_a_sample_does_not_depend_on_its_batch(sampler):
    whole = sampler(DENOISER, NOISE, SCHEDULE, TIMES, KEYS)
    parts = [sampler(DENOISER, NOISE[rows], SCHEDULE, TIMES, KEYS[rows]) for rows in (slice(0, 2), slice(2, 6))]
    assert torch.equal(whole, torch.cat(parts))


@pytest.mark.parametrize("sampler", STOCHASTIC, **by_name)
def test_a_stochastic_sample_is_a_function_of_its_key(sampler):
    draw = functools.partial(sampler, DENOISER, NOISE, SCHEDULE, TIMES)
    assert torch.equal(draw(KEYS), draw(KEYS))
    assert not torch.isclose(draw(KEYS), draw(KEYS.fold("another"))).any()


@pytest.mark.parametrize("sampler", STOCHASTIC, **by_name)
def test_a_stochastic_sampler_asks_for_its_keys(sampler):
    with pytest.raises(ValueError, match="call it with keys"):
        sampler(DENOISER, NOISE, SCHEDULE, TIMES)


@pytest.mark.parametrize("sampler", EVERY, **by_name)
def test_the_noise_is_not_modified_and_steps_are_float32_or_better(sampler):
    for dtype, expected in [(torch.bfloat16, torch.float32), (torch.float64, torch.float64)]:
        noise, seen = NOISE.to(dtype), []

        def denoiser(x, t, seen=seen):
            seen.append(x.dtype)
            return DENOISER(x, t)

        before = noise.clone()
        assert sampler(denoiser, noise, SCHEDULE, TIMES, KEYS).dtype == expected
        assert set(seen) == {expected}
        assert torch.equal(noise, before)


@pytest.mark.parametrize("sampler", EVERY, **by_name)
def test_the_last_step_gives_the_denoisers_answer(sampler):
    answer = double(1, 2, 3).reshape(3, 1)
    given = sampler(lambda *_: answer, 0 * answer, SCHEDULE, TIMES, KEYS[:3])
    torch.testing.assert_close(given, answer, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sampler", EVERY, **by_name)
def test_the_denoiser_is_never_called_on_clean_data_and_as_often_as_the_method_says(sampler):
    calls = []

    def denoiser(x, t):
        calls.append(t.item())
        return DENOISER(x, t)

    sampler(denoiser, NOISE, SCHEDULE, TIMES, KEYS)
    second_order = getattr(sampler, "func", sampler) in (sample_heun, sample_edm)
    assert len(calls) == (11 if second_order else 6)
    assert min(calls) > 0


@pytest.mark.parametrize(
    "sampler", [sample_euler, sample_ddim, sample_heun, STOCHASTIC[0], sample_ancestral], **by_name
)
def test_the_first_step_from_pure_noise_is_finite_in_float32(sampler):
    schedule = Flow()
    out = sampler(Gaussian(0.7, 1.3).denoiser(schedule), NOISE, schedule, uniform(5, schedule).float(), KEYS)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_step_is_the_denoiser_at_pure_noise(name):
    plan = plan_of(name)
    one = SamplingPlan(plan.sampler, plan.grid, 1)
    start = SCHEDULE.sigma(1.0) * NOISE
    torch.testing.assert_close(one(DENOISER, NOISE, SCHEDULE, KEYS), DENOISER(start, scalar(1.0)), rtol=1e-5, atol=1e-5)


def test_eta_outside_of_its_range_is_refused():
    with pytest.raises(ValueError, match=r"eta=1.5 is outside of \[0, 1\]"):
        sample_ddim(DENOISER, NOISE, SCHEDULE, TIMES, KEYS, eta=1.5)


def test_less_than_one_step_is_refused():
    with pytest.raises(ValueError, match=r"sampler.num_steps=0"):
        SamplingPlan(sample_euler, uniform, 0)


def test_churn_acts_between_its_bounds_only_and_stays_below_the_largest_noise():
    quiet = sample_edm(DENOISER, NOISE, SCHEDULE, TIMES)
    outside = functools.partial(sample_edm, churn=2.0, churn_min=1e3)
    assert torch.equal(outside(DENOISER, NOISE, SCHEDULE, TIMES), quiet)
    times = []

    def denoiser(x, t):
        times.append(t.item())
        return DENOISER(x, t)

    sample_edm(denoiser, NOISE, SCHEDULE, TIMES, KEYS, churn=math.inf)
    assert max(times) == 1
