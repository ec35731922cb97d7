"""Whole trajectories against a second implementation, with a denoiser that is not linear."""

import functools

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, FlowMatchEulerDiscreteScheduler
from diffusers.schedulers import scheduling_ddpm

from darkroom.contracts import Condition
from darkroom.diffusion.parameterization import Eps, V, Velocity
from darkroom.diffusion.process import Process
from darkroom.diffusion.samplers.ancestral import sample_ancestral
from darkroom.diffusion.samplers.ddim import sample_ddim
from darkroom.diffusion.samplers.euler import sample_euler
from darkroom.diffusion.schedule import Flow, ScaledLinear
from darkroom.diffusion.time_grid import native, uniform
from darkroom.diffusion.time_law import Uniform
from darkroom.diffusion.weighting import Constant
from darkroom.keys import keys

KEYS = keys(seed=0, purpose="sample", places=range(3))
NOISE = KEYS.normal((4, 2, 2), dtype=torch.float64)
TABLE = {
    "beta_start": 8.5e-4,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "timestep_spacing": "trailing",
}


def network(x, time, _=None):
    scale = 1 + 0.3 * torch.cos(time / 300).reshape(-1, 1, 1, 1)
    return torch.tanh(1.5 * x + 0.2) * scale


def denoiser(schedule, parameterization):
    return Process(schedule, parameterization, Uniform(), Constant()).denoiser(network, Condition())


def step_noise(step):
    return KEYS.fold(f"step {step}").normal((4, 2, 2), dtype=torch.float64)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("part", "their_name"), [(Eps(), "epsilon"), (V(), "v_prediction")])
def test_ddim(part, their_name, eta):
    theirs = DDIMScheduler(**TABLE, prediction_type=their_name, set_alpha_to_one=True)
    theirs.set_timesteps(20)
    x = NOISE
    for step, index in enumerate(theirs.timesteps):
        out = network(x, index.double().expand(3))
        x = theirs.step(out, index, x, eta=eta, variance_noise=step_noise(step)).prev_sample
    schedule = ScaledLinear()
    noise = NOISE / schedule.sigma(1.0)  # diffusers starts from N(0, I) although some signal is left
    ours = sample_ddim(denoiser(schedule, part), noise, schedule, native(20, schedule), KEYS, eta=eta)
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("large", [False, True])
def test_ancestral_ddpm(large, monkeypatch):
    theirs = DDPMScheduler(**TABLE, variance_type="fixed_large" if large else "fixed_small")
    theirs.set_timesteps(20)
    x = NOISE
    for step, index in enumerate(theirs.timesteps[:-1]):  # the last step of theirs still adds noise
        noise = step_noise(step)
        monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, noise=noise, **__: noise)
        x = theirs.step(network(x, index.double().expand(3)), index, x).prev_sample
    schedule = ScaledLinear()
    sampler = functools.partial(sample_ancestral, large=large)
    times = native(20, schedule)[:-1]
    ours = sampler(denoiser(schedule, Eps()), NOISE / schedule.sigma(1.0), schedule, times, KEYS)
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_euler_on_the_flow_path(shift):
    schedule = Flow()
    times = uniform(10, schedule, shift=shift)
    theirs = FlowMatchEulerDiscreteScheduler(shift=1.0)
    theirs.set_timesteps(sigmas=times[:-1].tolist())  # its own grid shifts twice, so it is given ours
    x = NOISE
    for index in theirs.timesteps:
        x = theirs.step(network(x, index.double().expand(3)), index, x, return_dict=False)[0].double()
    ours = sample_euler(denoiser(schedule, Velocity()), NOISE, schedule, times)
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4)
