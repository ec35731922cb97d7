"""Weightings: how much each time counts.

A weighting w is meant on the error of x0_hat, as a function of the signal-to-noise ratio; ``factor`` (k of the
parameterization) turns it into the weight on the native loss, w / k. So one weighting means the same under every
parameterization. Only :class:`Constant` is meant on the native loss itself.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from darkroom.diffusion.schedule import Coefficients


@runtime_checkable
class Weighting(Protocol):
    """The weight on the native loss, in the shape of ``factor``."""

    def __call__(self, factor: Tensor, at: Coefficients) -> Tensor: ...


@dataclass(frozen=True)
class Constant:
    """1 on the native loss: simple-eps of DDPM, the velocity loss of flow matching."""

    def __call__(self, factor: Tensor, at: Coefficients) -> Tensor:  # noqa: ARG002
        return torch.ones_like(factor)


@dataclass(frozen=True)
class MinSNR:
    """w = min(SNR, gamma) (Hang et al. 2023)."""

    gamma: float = 5.0

    def __call__(self, factor: Tensor, at: Coefficients) -> Tensor:
        return ((at.alpha / at.sigma) ** 2).clamp(max=self.gamma) / factor


@dataclass(frozen=True)
class Edm:
    """w = (ratio^2 + d^2) / (ratio d)^2 with d = ``sigma_data``: exactly 1 on F of EDM."""

    sigma_data: float = 0.5

    def __call__(self, factor: Tensor, at: Coefficients) -> Tensor:
        d = self.sigma_data
        return ((at.alpha * d) ** 2 + at.sigma**2) / (at.sigma * d) ** 2 / factor
