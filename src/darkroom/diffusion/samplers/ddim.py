"""DDIM: the deterministic sampler of any schedule, and the family up to DDPM's ancestral one."""

import itertools

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.contracts import Denoiser, Schedule
from darkroom.diffusion.samplers.start import start, step_noise
from darkroom.keys import Keys


def sample_ddim(
    denoiser: Denoiser,
    noise: Float[Tensor, "b ..."],
    schedule: Schedule,
    times: Float[Tensor, " times"],
    keys: Keys | None = None,
    *,
    eta: float = 0.0,
) -> Float[Tensor, "b ..."]:
    """Song et al. 2021, equation 12: first order, one call a step.

    ``eta`` in [0, 1] is the share of fresh noise: 0 draws none and needs no keys, 1 is ancestral sampling with the
    small variance. Raises ValueError outside of that range.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta={eta} is outside of [0, 1]: 0 is deterministic, 1 is ancestral sampling")
    x = start(noise, schedule, times)
    for step, (t, t_next) in enumerate(itertools.pairwise(times)):
        x0_hat = denoiser(x, t)
        sigma, sigma_next = schedule.sigma(t), schedule.sigma(t_next)
        eps_hat = (x - schedule.alpha(t) * x0_hat) / sigma  # t > 0: only t_next reaches zero noise
        fresh = eta * sigma_next * _renewed(schedule, t, t_next)
        x = schedule.alpha(t_next) * x0_hat + torch.sqrt(sigma_next**2 - fresh**2) * eps_hat
        if fresh > 0:
            x = x + fresh * step_noise(keys, step, like=x)
    return x


def _renewed(schedule: Schedule, t: Tensor, t_next: Tensor) -> Tensor:
    """sqrt(1 - (SNR / SNR')): how much of the noise a fully stochastic step replaces. 1 where alpha(t) = 0."""
    kept = schedule.alpha(t) * schedule.sigma(t_next) / (schedule.sigma(t) * schedule.alpha(t_next))
    return torch.sqrt(1 - kept**2)
