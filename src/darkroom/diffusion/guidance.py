"""Guidance: two denoisers become one (recipes 5).

A guidance is called with a denoiser to follow and one to keep away from. For classifier-free guidance the second sees
no condition; a weaker network under the same condition in its place is autoguidance, by the same formula.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.contracts import Denoiser


@runtime_checkable
class Guidance(Protocol):
    """A denoiser out of two."""

    def __call__(self, conditional: Denoiser, unconditional: Denoiser) -> Denoiser: ...


@dataclass(frozen=True)
class ClassifierFree:
    """D_u + scale (D_c - D_u) for t in (interval[0], interval[1]], D_c alone elsewhere; a scale of 1 is off.

    Where it is off, the unconditional denoiser is not called. The interval is decided at every call, by the noise level
    of that call, so that it means the same for any sampler (Kynkaanniemi et al. 2024). On another schedule the same t
    is another noise level.
    """

    scale: float
    interval: Sequence[float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if len(self.interval) != 2 or not 0 <= self.interval[0] < self.interval[1] <= 1:
            raise ValueError(
                f"guidance.interval={list(self.interval)} is no interval of times: give [low, high] "
                "with 0 <= low < high <= 1, where 0 is data"
            )

    def __call__(self, conditional: Denoiser, unconditional: Denoiser) -> Denoiser:
        if self.scale == 1:
            return conditional
        low, high = self.interval

        def guided(x_t: Float[Tensor, "b ..."], t: Float[Tensor, "*b"]) -> Float[Tensor, "b ..."]:
            inside = (low < t) & (t <= high)
            followed = conditional(x_t, t)
            if not inside.any():
                return followed
            kept_from = unconditional(x_t, t)
            scale = torch.where(inside, self.scale, 1.0).to(followed).reshape(-1, *[1] * (x_t.ndim - 1))
            return kept_from + scale * (followed - kept_from)

        return guided
