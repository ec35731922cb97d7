"""RGB as lightness and two opponent axes: linear, so that half a shape over grey has exactly half its chroma."""

import math
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def from_opponent(
    lightness: Float[np.ndarray, "*b"], u: Float[np.ndarray, "*b"], v: Float[np.ndarray, "*b"]
) -> Float[np.ndarray, "*b 3"]:
    """RGB with mean ``lightness`` whose chroma, a point in the plane of hues, is (u, v); red lies at v = 0, u > 0."""
    red, side = 2 / 3 * u, v / math.sqrt(3)
    return np.stack([lightness + red, lightness - red / 2 + side, lightness - red / 2 - side], axis=-1)


def to_opponent(rgb: Float[Tensor, "b 3 *side"]) -> Float[Tensor, "b 3 *side"]:
    """The inverse, as (lightness, u, v) along the second axis."""
    red, green, blue = rgb.unbind(1)
    return torch.stack([(red + green + blue) / 3, red - (green + blue) / 2, (green - blue) * (math.sqrt(3) / 2)], dim=1)
