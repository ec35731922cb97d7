"""A sampling plan: a sampler, its time grid and how many steps; what a yaml in conf/sampler describes."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from darkroom.contracts import Denoiser, Sampler
from darkroom.diffusion.pairs import require_pair
from darkroom.diffusion.schedule import NoiseSchedule
from darkroom.keys import Keys


@runtime_checkable
class TimeGrid(Protocol):
    """``num_steps + 1`` falling times, the last 0."""

    def __call__(self, num_steps: int, schedule: NoiseSchedule) -> Float[Tensor, " times"]: ...


@dataclass(frozen=True)
class SamplingPlan:
    """Draws samples when called. Raises ValueError for less than one step."""

    sampler: Sampler
    grid: TimeGrid
    num_steps: int

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ValueError(f"sampler.num_steps={self.num_steps}: a sampler takes at least one step")

    def check(self, schedule: NoiseSchedule) -> None:
        """Raises ValueError, naming both, where the sampler or its grid cannot work on ``schedule`` (recipes 4.2).

        What a grid says of its own settings comes up here too, before a training and not in its first samples.
        """
        require_pair(self.sampler, schedule)
        require_pair(self.grid, schedule)
        self.grid(self.num_steps, schedule)

    def __call__(
        self, denoiser: Denoiser, noise: Float[Tensor, "b ..."], schedule: NoiseSchedule, keys: Keys | None = None
    ) -> Float[Tensor, "b ..."]:
        """From ``noise`` ~ N(0, I) to samples; ``keys``, one a sample, where the sampler draws noise on its way."""
        self.check(schedule)
        return self.sampler(denoiser, noise, schedule, self.grid(self.num_steps, schedule), keys)
