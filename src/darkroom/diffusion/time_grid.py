"""Time grids: where a sampler stops on its way from noise to data.

``grid(num_steps, schedule)`` is ``num_steps + 1`` falling float64 times on the CPU (so that reading them never waits
for a device), from the largest noise to exactly 0. A grid made in ratios is carried to times by the schedule.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.diffusion.pairs import needs_finite_ratio, require_pair
from darkroom.diffusion.schedule import BetaTable, NoiseSchedule


def uniform(num_steps: int, schedule: NoiseSchedule, *, shift: float = 1.0) -> Float[Tensor, " times"]:
    """Equal steps of sigma / (alpha + sigma), which is t on the flow path: there t_i = 1 - i / num_steps.

    ``shift`` s > 1 spends more steps on noise: fraction u becomes s u / (1 + (s - 1) u) (recipes 2.4). Raises
    ValueError where it is not positive.
    """
    if shift <= 0:
        raise ValueError(f"sampler.grid.shift={shift} must be positive; 1 is none, 2 to 4 suit large latents")
    fraction = 1 - _steps(num_steps) / num_steps
    fraction = shift * fraction / (1 + (shift - 1) * fraction)
    one = torch.ones((), dtype=torch.float64)
    fraction = fraction * schedule.sigma(one) / (schedule.alpha(one) + schedule.sigma(one))
    return _to_data(schedule.time(fraction[:-1] / (1 - fraction[:-1])))


def native(num_steps: int, schedule: NoiseSchedule) -> Float[Tensor, " times"]:
    """As each schedule is usually walked: entries of a table evenly spaced from the last ("trailing": 999, 899, ..., 99
    for ten), equal steps of t on the flow and cosine paths, of sigma^(1/7) on the exploding one.

    Raises ValueError for more steps than a table has entries.
    """
    if isinstance(schedule, BetaTable) and num_steps > schedule.steps:
        raise ValueError(f"num_steps={num_steps} is more than the {schedule.steps} entries of the table: give fewer")
    return _to_data(schedule.native(1 - _steps(num_steps)[:-1] / num_steps))


@needs_finite_ratio(instead="uniform")
def karras(num_steps: int, schedule: NoiseSchedule, *, exponent: float = 7.0) -> Float[Tensor, " times"]:
    """Equal steps of ratio^(1 / exponent) over the schedule's whole range, then 0 (Karras et al. 2022, equation 5).

    Raises ValueError where ``exponent`` is not positive.
    """
    require_pair(karras, schedule)
    if exponent <= 0:
        raise ValueError(f"sampler.grid.exponent={exponent} must be positive; EDM's is 7")
    largest = schedule.ratio(1.0) ** (1 / exponent)
    smallest = schedule.ratio_min ** (1 / exponent)
    return _to_data(schedule.time((largest + _inner(num_steps) * (smallest - largest)) ** exponent))


@needs_finite_ratio(instead="uniform")
def log_snr(num_steps: int, schedule: NoiseSchedule) -> Float[Tensor, " times"]:
    """Equal steps of log SNR over the schedule's whole range, then 0."""
    require_pair(log_snr, schedule)
    ends = torch.tensor([schedule.ratio(1.0), schedule.ratio_min], dtype=torch.float64).log()
    return _to_data(schedule.time(torch.exp(ends[0] + _inner(num_steps) * (ends[1] - ends[0]))))


def _steps(num_steps: int) -> Tensor:
    if num_steps < 1:
        raise ValueError(f"num_steps={num_steps}: a sampler takes at least one step")
    return torch.arange(num_steps + 1, dtype=torch.float64)


def _inner(num_steps: int) -> Tensor:
    """0 to 1 over all points but the last."""
    return _steps(num_steps)[:-1] / max(num_steps - 1, 1)


def _to_data(times: Tensor) -> Tensor:
    return torch.cat([times, times.new_zeros(1)])
