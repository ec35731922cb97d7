"""Embeddings of time and of place."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

_PERIOD = 1e4  # of the slowest wave over 2 pi, in time and in place alike (Vaswani et al. 2017)


def sinusoid(time: Float[Tensor, " b"], width: int) -> Float[Tensor, "b w"]:
    """[cos(time f), sin(time f)] with f falling from 1 to 1e-4 (recipes.md section 9.6)."""
    half = width // 2
    frequency = torch.exp(-math.log(_PERIOD) * torch.arange(half, device=time.device) / half)
    angle = time.float()[:, None] * frequency
    return torch.cat([angle.cos(), angle.sin()], dim=-1)


class TimeEmbedding(nn.Module):
    """Sinusoid and a two-layer network."""

    def __init__(self, width: int, sinusoid_width: int = 256):
        super().__init__()
        self.sinusoid_width = sinusoid_width
        self.layers = nn.Sequential(nn.Linear(sinusoid_width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, time: Float[Tensor, " b"]) -> Float[Tensor, "b d"]:
        return self.layers(sinusoid(time, self.sinusoid_width))


def grid_sinusoid(rows: int, columns: int, width: int, device: torch.device) -> Float[Tensor, "n d"]:
    """Fixed places of a grid's tokens: the first half of the width encodes the column, the second the row (DiT)."""
    row, column = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    frequency = _PERIOD ** -(torch.arange(width // 4, device=device) / (width // 4))
    angles = [place.reshape(-1, 1) * frequency for place in (column, row)]
    return torch.cat([part for a in angles for part in (a.sin(), a.cos())], dim=-1)
