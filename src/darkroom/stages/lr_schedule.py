"""Learning-rate schedules: optimizer step to a factor on the learning rate, for ``LambdaLR``.

Each rises linearly over ``warmup_steps``: step 0 already learns, at 1 / warmup_steps of the rate, and step
``warmup_steps - 1`` is the first at full rate. They are functions of the step alone, so a resumed run needs no state.
"""

import math
from dataclasses import dataclass


def _warm(step: int, warmup_steps: int) -> float:
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0


@dataclass(frozen=True)
class Constant:
    """1 after the warm-up."""

    warmup_steps: int = 0

    def __call__(self, step: int) -> float:
        return _warm(step, self.warmup_steps)


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1, at the end of the warm-up, to ``final`` at ``total_steps``, and ``final`` from there on.

    Loshchilov and Hutter 2017, equation 5, with one period.
    """

    total_steps: int
    warmup_steps: int = 0
    final: float = 0.0

    def __call__(self, step: int) -> float:
        span = max(1, self.total_steps - self.warmup_steps)
        passed = min(max(step - self.warmup_steps, 0) / span, 1.0)
        fall = self.final + (1.0 - self.final) * 0.5 * (1.0 + math.cos(math.pi * passed))
        return _warm(step, self.warmup_steps) * fall


@dataclass(frozen=True)
class InverseSqrt:
    """1 up to ``reference_steps``, then 1 / sqrt(step / reference_steps).

    Karras et al. 2024 (EDM2), equation 67, counted in steps instead of pictures.
    """

    reference_steps: int
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        if self.reference_steps < 1:
            raise ValueError(f"lr_schedule.reference_steps={self.reference_steps}: must be at least 1")

    def __call__(self, step: int) -> float:
        return _warm(step, self.warmup_steps) / math.sqrt(max(step / self.reference_steps, 1.0))
