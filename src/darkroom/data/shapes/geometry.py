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
_STAR = 1.12  # radius of the circle through the tips; one points up
_NOTCH = 0.48 * _STAR  # radius of the circle through the inner corners: plumper than a pentagram, which blur would eat

_TURN = math.pi / 5
# From the middle of the bounding box down to the centre of mass, which triangle and star share with their outer circle.
_SINK = {"circle": 0.0, "square": 0.0, "triangle": _TRIANGLE / 4, "star": _STAR * (1 - math.cos(_TURN)) / 2}
_EXTENT = {
    "circle": (1.0, 1.0),
    "square": (_SQUARE, _SQUARE),
    "triangle": (_TRIANGLE * math.sqrt(3) / 2, _TRIANGLE * 0.75),
    "star": (_STAR * math.sin(2 * _TURN), _STAR * (1 + math.cos(_TURN)) / 2),
}
_AREA = {
    "circle": math.pi,
    "square": 4 * _SQUARE**2,
    "triangle": 3 * math.sqrt(3) / 4 * _TRIANGLE**2,
    "star": 5 * _STAR * _NOTCH * math.sin(_TURN),
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


def _star(x: Tensor, y: Tensor) -> Tensor:
    """Folded into the tenth between the upper tip and the notch to its right, where one straight edge is left."""
    x, up = x.abs(), _SINK["star"] - y
    x, up = _mirrored(x, up, 2 * _TURN)  # the line through the second tip: brings the feet up
    x, up = _mirrored(x.abs(), up, _TURN)  # the line through the first notch
    across, along = _NOTCH * math.sin(_TURN), _STAR - _NOTCH * math.cos(_TURN)  # from the tip to the notch
    return (along * x + across * (up - _STAR)) / math.hypot(across, along)


def _mirrored(x: Tensor, up: Tensor, angle: float) -> tuple[Tensor, Tensor]:
    """Points beyond the line through the origin at ``angle`` from up, clockwise, are reflected to this side of it."""
    over = (math.cos(angle) * x - math.sin(angle) * up).clamp_min(0.0) * 2.0
    return x - math.cos(angle) * over, up + math.sin(angle) * over


SIGNED_DISTANCE: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (_circle, _square, _triangle, _star)
