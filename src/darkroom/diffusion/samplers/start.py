"""Where every sampler begins, and where the stochastic ones get their noise."""

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.contracts import Schedule
from darkroom.keys import Keys


def start(noise: Float[Tensor, "b ..."], schedule: Schedule, times: Float[Tensor, " times"]) -> Float[Tensor, "b ..."]:
    """sigma(times[0]) * noise, a new tensor in float32 or better: steps are not taken in half precision."""
    return schedule.sigma(times[0]) * noise.to(torch.promote_types(noise.dtype, torch.float32))


def step_noise(keys: Keys | None, step: int, like: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
    """N(0, I) of a sampler's step, one draw a key, so that a sample does not depend on its batch.

    Raises ValueError without keys.
    """
    if keys is None:
        raise ValueError("this sampler draws noise at every step: call it with keys, one a sample")
    return keys.fold(f"step {step}").to(like.device).normal(like.shape[1:], dtype=like.dtype)
