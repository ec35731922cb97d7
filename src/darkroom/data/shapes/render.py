"""Scenes to pictures: antialiased by the signed distance of each pixel's middle, many scenes at once."""

import math

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from darkroom.data.shapes import grounds
from darkroom.data.shapes.geometry import SIGNED_DISTANCE
from darkroom.data.shapes.scenes import MOST, Scenes

_AT_ONCE = 64  # scenes: few enough for the cache of a core
_WINDOW = 30 / 64  # side of the square in which a shape is drawn: the largest is 27 wide at 64 px


def render(scenes: Scenes, resolution: int) -> UInt8[Tensor, "b 3 side side"]:
    """The pictures."""
    out = torch.empty(len(scenes), 3, resolution, resolution, dtype=torch.uint8)
    for start in range(0, len(scenes), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        out[rows] = _paint(scenes[rows], resolution).mul_(255.0).round_().clamp_(0, 255)
    return out


def _paint(scenes: Scenes, resolution: int) -> Float[Tensor, "b 3 side side"]:
    picture = grounds.paint(scenes.ground, resolution)
    flat = picture.flatten(2)
    shape, present = torch.from_numpy(scenes.content.shape), torch.from_numpy(scenes.content.present)
    radius = torch.from_numpy(scenes.radius).float() * resolution
    centre = torch.from_numpy(scenes.centre).float() * resolution
    rgb = torch.from_numpy(scenes.rgb).float()
    window = math.ceil(_WINDOW * resolution)
    for place in range(MOST):
        rows = present[:, place].nonzero()[:, 0]
        middle = centre[rows, place]
        corner = (middle - window / 2).round().clamp(0, resolution - window)
        cover = coverage(shape[rows, place], radius[rows, place], middle - corner, window).flatten(1)
        pixels = _window_pixels(corner.long(), window, resolution)
        for channel in range(3):
            target = flat[:, channel]
            behind = target[rows[:, None], pixels]
            target[rows[:, None], pixels] = behind + cover * (rgb[rows, place, channel, None] - behind)
    return picture


def _window_pixels(corner: Int64[Tensor, "n 2"], window: int, side: int) -> Int64[Tensor, "n pixels"]:
    """Places of a window's pixels in the flattened picture; ``corner`` is (x, y) of its first pixel."""
    line = torch.arange(window)
    x, y = (corner[:, None, :] + line[:, None]).unbind(-1)
    return (y[:, :, None] * side + x[:, None, :]).flatten(1)


def coverage(
    shape: Int64[Tensor, " n"], radius: Float[Tensor, " n"], centre: Float[Tensor, "n 2"], side: int
) -> Float[Tensor, "n side side"]:
    """The share of each pixel that a shape covers, in [0, 1]; ``radius`` and ``centre`` (x, y) in pixels."""
    middle = torch.arange(side, dtype=radius.dtype) + 0.5
    cover = torch.empty(len(shape), side, side, dtype=radius.dtype)
    for kind, distance in enumerate(SIGNED_DISTANCE):
        rows = (shape == kind).nonzero()[:, 0]
        size = radius[rows, None, None]
        x = (middle - centre[rows, :1])[:, None, :] / size
        y = (middle - centre[rows, 1:])[:, :, None] / size
        cover[rows] = (0.5 - distance(x, y) * size).clamp_(0.0, 1.0)
    return cover
