"""What lies behind the shapes: two muted colours and a smooth field that mixes them.

Plain, a gradient, soft stripes or cloudy texture. Muted (chroma at most a sixth of a shape's) so that colour tells
shape from ground, and without fine detail, so that a small latent has room for it.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import interpolate

from darkroom.data.shapes.colour import from_opponent
from darkroom.keys import Keys

PLAIN, GRADIENT, STRIPES, TEXTURE = range(4)
_SHARES = (0.3, 0.4, 0.15, 0.15)  # seven in ten are not plain; the rest is what a small latent learns fastest
_LIGHTNESS = (0.3, 0.85)
_CHROMA = 0.09  # at most; shapes have 0.55 and more
_CONTRAST = ((0.0, 0.0), (0.1, 0.3), (0.06, 0.13), (0.08, 0.18))  # of lightness between the two colours, by style
_PERIOD = (0.16, 0.36)  # of the stripes, in sides: ten pixels and more at 64
_CELLS = 4  # of the texture, per side


@dataclass(frozen=True)
class Grounds:
    """One ground a scene."""

    style: Int64[np.ndarray, " b"]
    rgb: Float[np.ndarray, "b 2 3"]  # the two colours, in [0, 1]
    angle: Float[np.ndarray, " b"]  # of gradient and stripes
    period: Float[np.ndarray, " b"]
    phase: Float[np.ndarray, " b"]
    cells: Float[np.ndarray, "b cells cells"]  # of the texture, in [0, 1]

    def __getitem__(self, rows: slice | np.ndarray) -> "Grounds":
        return Grounds(**{name: value[rows] for name, value in vars(self).items()})


def draw(keys: Keys) -> Grounds:
    """A ground a key."""
    u = keys.fold("ground").uniform((9,), dtype=torch.float64).numpy()
    style = np.searchsorted(np.cumsum(_SHARES)[:-1], u[:, 0], side="right")
    least, most = np.array(_CONTRAST)[style].T
    contrast = np.where(u[:, 1] < 0.5, -1.0, 1.0) * (least + (most - least) * u[:, 2])
    first = _LIGHTNESS[0] + (_LIGHTNESS[1] - _LIGHTNESS[0]) * u[:, 3]
    turned = np.where((first + contrast > 0.92) | (first + contrast < 0.22), -contrast, contrast)
    hue, chroma = 2 * math.pi * u[:, 4], _CHROMA * np.sqrt(u[:, 5])
    plane = (chroma * np.cos(hue), chroma * np.sin(hue))
    return Grounds(
        style=style,
        rgb=np.stack([from_opponent(first, *plane), from_opponent(first + turned, *plane)], axis=1),
        angle=2 * math.pi * u[:, 6],
        period=_PERIOD[0] + (_PERIOD[1] - _PERIOD[0]) * u[:, 7],
        phase=u[:, 8],
        cells=keys.fold("texture").uniform((_CELLS + 2, _CELLS + 2)).numpy(),
    )


def paint(grounds: Grounds, resolution: int) -> Float[Tensor, "b 3 side side"]:
    """The grounds as RGB in [0, 1]."""
    style = torch.from_numpy(grounds.style)
    mix = torch.zeros(len(style), resolution, resolution)
    for kind, field in ((GRADIENT, _gradient), (STRIPES, _stripes), (TEXTURE, _texture)):
        rows = (style == kind).nonzero()[:, 0]
        mix[rows] = field(grounds[rows.numpy()], resolution)
    first, second = torch.from_numpy(grounds.rgb).float()[..., None, None].unbind(1)
    return first + mix[:, None] * (second - first)


def _across(grounds: Grounds, resolution: int) -> Float[Tensor, "b side side"]:
    """Distance along the direction of each ground from the middle of the picture, in sides."""
    line = (torch.arange(resolution) + 0.5) / resolution - 0.5
    angle = torch.from_numpy(grounds.angle).float()[:, None, None]
    return torch.cos(angle) * line + torch.sin(angle) * line[:, None]


def _gradient(grounds: Grounds, resolution: int) -> Float[Tensor, "b side side"]:
    return 0.5 + _across(grounds, resolution) / math.sqrt(2)


def _stripes(grounds: Grounds, resolution: int) -> Float[Tensor, "b side side"]:
    period, phase = (torch.from_numpy(value).float()[:, None, None] for value in (grounds.period, grounds.phase))
    wave = torch.sin(2 * math.pi * (_across(grounds, resolution) / period + phase))
    return 0.5 + 0.5 * torch.tanh(2.0 * wave) / math.tanh(2.0)


def _texture(grounds: Grounds, resolution: int) -> Float[Tensor, "b side side"]:
    """Value noise: random numbers on a coarse grid with bicubic interpolation between them."""
    cells = torch.from_numpy(grounds.cells)[:, None]
    side = math.ceil(resolution * (_CELLS + 2) / _CELLS)
    start = (side - resolution) // 2  # without the border, where interpolation repeats the last cell
    smooth = interpolate(cells, size=(side, side), mode="bicubic", align_corners=False)[:, 0]
    return smooth[:, start : start + resolution, start : start + resolution].clamp(0.0, 1.0)
