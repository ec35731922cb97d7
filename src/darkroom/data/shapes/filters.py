"""Gaussian blur, as two products with a banded matrix: at these sides many times faster than a convolution."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def blur(planes: Float[Tensor, "*b side side"], sigma: float) -> Float[Tensor, "*b side side"]:
    """Each plane under a Gaussian of standard deviation ``sigma`` pixels; the border repeats outwards."""
    matrix = _matrix(planes.shape[-1], sigma).to(planes.dtype)
    return matrix @ planes @ matrix.T


def _matrix(side: int, sigma: float) -> Float[Tensor, "side side"]:
    """Row i holds the weights of the pixels for pixel i; those beyond the border fall to its last pixel."""
    reach = math.ceil(3 * sigma)
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    source = (torch.arange(side)[:, None] + offsets).clamp(0, side - 1)
    return torch.zeros(side, side).scatter_add_(1, source, (weights / weights.sum()).expand_as(source))
