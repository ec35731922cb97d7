"""The four shapes as signed distances: negative inside, in units of the shape's size, y pointing down.

A shape of size 1 is a circle of radius 1 or something that looks about as big. Coordinates are relative to the middle
of its bounding box, which is what "where a shape is" means throughout. Names stand in the order of ``SHAPES``.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.data.shapes.vocabulary import SHAPES

_SQUARE = 0.9  # half a side
_TRIANGLE = 1.2  # radius of the circle through the corners; equilateral, apex up
_CROSS = 1.03  # half the length of an arm's bar; upright, as a plus
_ARM = (
    0.38  # half the width of a bar: six pixels of the smallest cross at 64 px, where the tips of a star would blur away
)

# From the middle of the bounding box down to the centre of mass, which the triangle shares with its outer circle.
_SINK = {"circle": 0.0, "square": 0.0, "triangle": _TRIANGLE / 4, "cross": 0.0}
_EXTENT = {
    "circle": (1.0, 1.0),
    "square": (_SQUARE, _SQUARE),
    "triangle": (_TRIANGLE * math.sqrt(3) / 2, _TRIANGLE * 0.75),
    "cross": (_CROSS, _CROSS),
}
_AREA = {
    "circle": math.pi,
    "square": 4 * _SQUARE**2,
    "triangle": 3 * math.sqrt(3) / 4 * _TRIANGLE**2,
    "cross": 4 * _ARM * (2 * _CROSS - _ARM),
}

SINK: Float[Tensor, " shapes"] = torch.tensor([_SINK[name] for name in SHAPES], dtype=torch.float64)
EXTENT: Float[Tensor, "shapes 2"] = torch.tensor(
    [_EXTENT[name] for name in SHAPES], dtype=torch.float64
)  # half of x, y
AREA: Float[Tensor, " shapes"] = torch.tensor([_AREA[name] for name in SHAPES], dtype=torch.float64)


def _circle(x: Tensor, y: Tensor) -> Tensor:
    return torch.hypot(x, y) - 1.0


def _square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - _SQUARE


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    """The furthest of the base and the two slanted sides, which are one by symmetry."""
    y = y - _SINK["triangle"]
    return torch.maximum(math.sqrt(3) / 2 * x.abs() - 0.5 * y, y) - _TRIANGLE / 2


def _cross(x: Tensor, y: Tensor) -> Tensor:
    """The nearer of two bars."""
    x, y = x.abs(), y.abs()
    level, upright = torch.maximum(x - _CROSS, y - _ARM), torch.maximum(x - _ARM, y - _CROSS)
    return torch.minimum(level, upright)


SIGNED_DISTANCE: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (_circle, _square, _triangle, _cross)
