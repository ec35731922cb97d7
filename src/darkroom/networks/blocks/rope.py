"""Rotary position embedding in two dimensions (Su et al. 2021; the layout of recipes.md section 9.4)."""

import torch
from jaxtyping import Float
from torch import Tensor

_THETA = 1e4  # Su et al. 2021
Rotation = tuple[Float[Tensor, "n half"], Float[Tensor, "n half"]]


def rotation_2d(rows: int, columns: int, head_width: int, device: torch.device) -> Rotation:
    """cos and sin of every token's angles: the first half of the pairs turns with its row, the second with its column.

    Raises ValueError where ``head_width`` is not a multiple of 4.
    """
    if head_width % 4:
        raise ValueError(f"2-D RoPE needs a head width that 4 divides, not {head_width}")
    frequency = _THETA ** -(torch.arange(0, head_width // 2, 2, device=device) / (head_width // 2))
    row, column = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    angle = torch.cat([place.reshape(-1, 1) * frequency for place in (row, column)], dim=-1)
    return angle.cos(), angle.sin()


def rotate(x: Float[Tensor, "b heads n d"], rotation: Rotation) -> Float[Tensor, "b heads n d"]:
    """Turn the pairs (2i, 2i + 1) of queries or keys by their token's angles."""
    cos, sin = rotation
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)
