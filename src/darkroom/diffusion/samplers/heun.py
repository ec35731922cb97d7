"""Heun's method: second order, two calls a step but for the last.

Divided by the right scale, every path is a straight line from x0, and its ODE is dz/dw = (z - x0_hat) / w:
z = x / (alpha + sigma) with w = sigma / (alpha + sigma), the flow path, or z = x / alpha with w = sigma / alpha, EDM's.
In such a variable a step needs no derivative of the schedule and the step to zero noise gives x0_hat exactly.
"""

import itertools
import math

from jaxtyping import Float
from torch import Tensor

from darkroom.contracts import Denoiser, Schedule
from darkroom.diffusion.pairs import needs_finite_ratio, require_pair
from darkroom.diffusion.samplers.start import start, step_noise
from darkroom.keys import Keys


def sample_heun(
    denoiser: Denoiser,
    noise: Float[Tensor, "b ..."],
    schedule: Schedule,
    times: Float[Tensor, " times"],
    keys: Keys | None = None,  # noqa: ARG001
) -> Float[Tensor, "b ..."]:
    """Deterministic Heun in the variable of the flow path, which is finite on every schedule."""
    x = start(noise, schedule, times)
    for t, t_next in itertools.pairwise(times):
        scale = schedule.alpha(t) + schedule.sigma(t)
        scale_next = schedule.alpha(t_next) + schedule.sigma(t_next)
        w, w_next = schedule.sigma(t) / scale, schedule.sigma(t_next) / scale_next
        z = x / scale
        slope = (z - denoiser(x, t)) / w
        x = scale_next * (z + (w_next - w) * slope)
        if w_next > 0:
            slope_next = (x / scale_next - denoiser(x, t_next)) / w_next
            x = scale_next * (z + (w_next - w) * (slope + slope_next) / 2)
    return x


@needs_finite_ratio(instead="sample_heun")
def sample_edm(
    denoiser: Denoiser,
    noise: Float[Tensor, "b ..."],
    schedule: Schedule,
    times: Float[Tensor, " times"],
    keys: Keys | None = None,
    *,
    churn: float = 0.0,
    churn_min: float = 0.0,
    churn_max: float = math.inf,
    churn_noise: float = 1.0,
) -> Float[Tensor, "b ..."]:
    """EDM's sampler (Karras et al. 2022, algorithm 2): Heun in sigma / alpha, from a noisier point where churn is on.

    ``churn`` is S_churn, 0 draws nothing and needs no keys; it acts where sigma / alpha lies between ``churn_min`` and
    ``churn_max``, with noise of std ``churn_noise`` (S_noise), and never climbs past t = 1. Raises ValueError on a
    schedule that ends in pure noise.
    """
    require_pair(sample_edm, schedule)
    x = start(noise, schedule, times)
    growth = min(churn / (len(times) - 1), math.sqrt(2) - 1)
    for step, (t, t_next) in enumerate(itertools.pairwise(times)):
        z, w = x / schedule.alpha(t), schedule.sigma(t) / schedule.alpha(t)
        w_next = schedule.sigma(t_next) / schedule.alpha(t_next)
        if growth > 0 and churn_min <= w <= churn_max:
            t = schedule.time(w * (1 + growth))
            climbed = schedule.sigma(t) / schedule.alpha(t)
            z = z + (climbed**2 - w**2).clamp(min=0).sqrt() * churn_noise * step_noise(keys, step, like=z)
            w = climbed
        slope = (z - denoiser(schedule.alpha(t) * z, t)) / w
        x = schedule.alpha(t_next) * (z + (w_next - w) * slope)
        if w_next > 0:
            slope_next = (x / schedule.alpha(t_next) - denoiser(x, t_next)) / w_next
            x = schedule.alpha(t_next) * (z + (w_next - w) * (slope + slope_next) / 2)
    return x
