"""Ancestral sampling of DDPM, on any schedule."""

import itertools

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.contracts import Denoiser, Schedule
from darkroom.diffusion.samplers.start import start, step_noise
from darkroom.keys import Keys


def sample_ancestral(
    denoiser: Denoiser,
    noise: Float[Tensor, "b ..."],
    schedule: Schedule,
    times: Float[Tensor, " times"],
    keys: Keys | None = None,
    *,
    large: bool = False,
) -> Float[Tensor, "b ..."]:
    """Ho et al. 2020, algorithm 2: draws x' from q(x' | x, x0 = x0_hat), first order, one call a step.

    The variance is that of the posterior, right for data without any, or, with ``large``, that of the forward step,
    right for data of unit variance on a path that preserves it (alpha**2 + sigma**2 = 1): DDPM's two choices. For other
    data, and with ``large`` on other paths, they are right in the limit of many steps. The last step draws nothing.
    Raises ValueError without ``keys``.
    """
    x = start(noise, schedule, times)
    for step, (t, t_next) in enumerate(itertools.pairwise(times)):
        x0_hat = denoiser(x, t)
        sigma, sigma_next, alpha_next = schedule.sigma(t), schedule.sigma(t_next), schedule.alpha(t_next)
        shrink = schedule.alpha(t) / alpha_next  # x = shrink x' + sqrt(added) z going forward
        added = sigma**2 - (shrink * sigma_next) ** 2
        x = shrink * (sigma_next / sigma) ** 2 * x + alpha_next * added / sigma**2 * x0_hat
        if sigma_next > 0:
            variance = added if large else added * (sigma_next / sigma) ** 2
            x = x + torch.sqrt(variance) * step_noise(keys, step, like=x)
    return x
