"""Time laws: which t training draws, one a key, in float64.

``shift`` s moves a law towards noise (s > 1) by 2 ln(s) in log SNR, on any schedule (recipes 2.4): for larger latents.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.diffusion.schedule import NoiseSchedule, shift
from darkroom.keys import Keys


@runtime_checkable
class TimeLaw(Protocol):
    """One time in (0, 1] a key."""

    def __call__(self, keys: Keys, schedule: NoiseSchedule) -> Float[Tensor, " b"]: ...


@dataclass(frozen=True)
class Uniform:
    """t ~ U(0, 1]."""

    shift: float = 1.0

    def __call__(self, keys: Keys, schedule: NoiseSchedule) -> Float[Tensor, " b"]:
        t = 1 - keys.uniform(dtype=torch.float64)  # never 0, where a weight may be infinite
        return t if self.shift == 1 else shift(t, self.shift, schedule)


@dataclass(frozen=True)
class Discrete:
    """The times of the schedule's table: index i ~ U{0..T-1} at t = (i + 1) / T (DDPM)."""

    def __call__(self, keys: Keys, schedule: NoiseSchedule) -> Float[Tensor, " b"]:
        return (keys.integers(schedule.steps) + 1).double() / schedule.steps


@dataclass(frozen=True)
class LogitNormal:
    """t = sigmoid(mean + std z) (Stable Diffusion 3); on the flow path log SNR is N(-2 mean, (2 std)^2)."""

    mean: float = 0.0
    std: float = 1.0
    shift: float = 1.0

    def __call__(self, keys: Keys, schedule: NoiseSchedule) -> Float[Tensor, " b"]:
        t = torch.sigmoid(self.mean + self.std * keys.normal(dtype=torch.float64))
        return t if self.shift == 1 else shift(t, self.shift, schedule)


@dataclass(frozen=True)
class LogNormalSigma:
    """sigma / alpha = exp(mean + std z) (EDM's P_mean and P_std); ratios past the schedule's largest fall on t = 1."""

    mean: float = -1.2
    std: float = 1.2

    def __call__(self, keys: Keys, schedule: NoiseSchedule) -> Float[Tensor, " b"]:
        return schedule.time(torch.exp(self.mean + self.std * keys.normal(dtype=torch.float64)))
