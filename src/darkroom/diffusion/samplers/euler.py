"""Euler's method on the probability-flow ODE, in the schedule's own time."""

import itertools

from jaxtyping import Float
from torch import Tensor

from darkroom.contracts import Denoiser, Schedule
from darkroom.diffusion.samplers.start import start
from darkroom.keys import Keys


def sample_euler(
    denoiser: Denoiser,
    noise: Float[Tensor, "b ..."],
    schedule: Schedule,
    times: Float[Tensor, " times"],
    keys: Keys | None = None,  # noqa: ARG001
) -> Float[Tensor, "b ..."]:
    """x' = x + (t' - t) dx/dt: first order, one call a step.

    On the flow path the same as DDIM without noise. On curved paths not: there the last step, to zero noise, is taken
    straight to x0_hat, where following the velocity would leave noise behind (half of it on a variance-preserving one).
    """
    x = start(noise, schedule, times)
    for t, t_next in itertools.pairwise(times):
        x0_hat = denoiser(x, t)
        last = schedule.sigma(t_next) == 0
        x = x0_hat if last else x + (t_next - t) * _velocity(x, x0_hat, schedule, t)
    return x


def _velocity(x: Tensor, x0_hat: Tensor, schedule: Schedule, t: Tensor) -> Tensor:
    """dx/dt, out of x0_hat and so without a division by alpha (recipes 1)."""
    growth = schedule.d_sigma(t) / schedule.sigma(t)
    return growth * x + (schedule.d_alpha(t) - schedule.alpha(t) * growth) * x0_hat
