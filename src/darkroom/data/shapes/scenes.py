"""Scenes drawn from keys: which shapes, where, how they are told. Scene k is a function of its key alone.

Everything is measured in sides of the picture. Shapes keep clear of the edge and of one another, and lie to each other
mostly along the axis of the stated relation: each axis that carries a relation is cut into a near and a far band with a
gap between; the first shape and all that share its side of the cut stay in one, the related shape in the other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from darkroom.data.shapes import grounds
from darkroom.data.shapes.captions import Requirement, Wanted
from darkroom.data.shapes.colour import from_opponent
from darkroom.data.shapes.geometry import EXTENT
from darkroom.data.shapes.grounds import Grounds
from darkroom.data.shapes.vocabulary import (
    COLOURS,
    RELATIONS,
    SHAPES,
    SIZES,
    kept_out_pairs,
    kept_out_triples,
    pair_index,
    palette,
)
from darkroom.keys import Keys

MOST = 3  # shapes in a picture
_MARGIN = 2 / 64  # to the edge of the picture
_GAP = 5 / 64  # between shapes
_RADII = np.array([[8.4, 9.6], [11.8, 12.9]]) / 64  # small, large; two of the widest large shapes just fit side by side
_FREEDOM = 0.3  # the share, in its middle, that places use of the room left to them: minutes cannot teach it all
_LEAN = 0.5  # the offset across a relation's axis, as a share of that along it, is at most this
_INVERSE = 0.2  # of captions say "below" or "right of": were it half, the order of the words alone would tell nothing
_JITTER = np.array([0.04, 0.03, 0.03])  # at most, of a shape's lightness and of both axes of its chroma


@dataclass(frozen=True)
class Content:
    """What captions speak of. Rows beyond ``count`` mean nothing."""

    count: Int64[np.ndarray, " b"]
    colour: Int64[np.ndarray, "b 3"]
    shape: Int64[np.ndarray, "b 3"]
    size: Int64[np.ndarray, "b 3"]
    said: Bool[np.ndarray, "b 3"]  # whether the caption names the size
    relation: Int64[np.ndarray, "b 2"]  # of the first shape to the second and to the third

    def __len__(self) -> int:
        return len(self.count)

    def __getitem__(self, rows: slice | np.ndarray) -> "Content":
        return Content(**{name: value[rows] for name, value in vars(self).items()})

    @property
    def present(self) -> Bool[np.ndarray, "b 3"]:
        return np.arange(MOST) < self.count[:, None]

    @property
    def pair(self) -> Int64[np.ndarray, "b 3"]:
        return pair_index(self.colour, self.shape)

    def requirement(self, row: int) -> Requirement:
        """What the caption of a scene says."""
        wanted = tuple(
            Wanted(
                COLOURS[self.colour[row, place]],
                SHAPES[self.shape[row, place]],
                SIZES[self.size[row, place]] if self.said[row, place] else None,
            )
            for place in range(self.count[row])
        )
        return Requirement(wanted, tuple(RELATIONS[r] for r in self.relation[row, : self.count[row] - 1]))


@dataclass(frozen=True)
class Scenes:
    """All that decides the pictures."""

    content: Content
    radius: Float[np.ndarray, "b 3"]
    centre: Float[np.ndarray, "b 3 2"]  # x, y of the middle of the bounding box
    rgb: Float[np.ndarray, "b 3 3"]
    ground: Grounds

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self, rows: slice | np.ndarray) -> "Scenes":
        return Scenes(**{name: value[rows] for name, value in vars(self).items()})


def shows_kept_out(content: Content) -> Bool[np.ndarray, " b"]:
    """True where a scene has a pair or a triple that training must not show."""
    pair, present = content.pair, content.present
    pairs = (kept_out_pairs()[pair] & present).any(axis=1)
    triples = kept_out_triples()[pair[:, :1], content.relation, pair[:, 1:]] & present[:, 1:]
    return pairs | triples.any(axis=1)


def kept_out(requirement: Requirement) -> str | None:
    """What training must not show of a caption: a ``"pair"``, else a ``"triple"`` of pairs that it shows, else None."""
    colour = np.array([COLOURS.index(wanted.colour) for wanted in requirement.shapes])
    shape = np.array([SHAPES.index(wanted.shape) for wanted in requirement.shapes])
    relation = np.array([RELATIONS.index(name) for name in requirement.relations], dtype=np.int64)
    pair = pair_index(colour, shape)
    if kept_out_pairs()[pair].any():
        return "pair"
    return "triple" if kept_out_triples()[pair[0], relation, pair[1:]].any() else None


def draw_content(keys: Keys, max_shapes: int, wanted: Callable[[Content], Bool[np.ndarray, " b"]]) -> Content:
    """Content for each key for which ``wanted`` is true and no (colour, shape) pair comes twice.

    Rejected rows are drawn again from their own key, so that a row never depends on its neighbours.
    """
    content = _propose(keys, max_shapes)
    open_rows = np.arange(len(keys))
    attempt = 0
    while True:
        proposed = content[open_rows]
        open_rows = open_rows[~(wanted(proposed) & _distinct(proposed))]
        if not len(open_rows):
            return content
        attempt += 1
        again = _propose(Keys(keys.words[open_rows]).fold(attempt), max_shapes)
        for name, value in vars(content).items():
            value[open_rows] = getattr(again, name)


def _propose(keys: Keys, max_shapes: int) -> Content:
    """Every combination alike but for the inverse relations, and n shapes n times as often as one.

    Pictures of several shapes are the harder ones. Which colour is above depends on the order of the words and on the
    relation together, on neither alone if all four were as frequent; a parity is slow to learn by gradients.
    """
    u = keys.fold("content").uniform((17,), dtype=torch.float64).numpy()
    share = np.cumsum(np.arange(1, max_shapes + 1))
    axis = (u[:, 15] < 0.5).astype(np.int64)
    relation = 2 * axis + (u[:, 1] < _INVERSE)
    other_axis = 2 * (1 - axis) + (u[:, 2] < _INVERSE)  # the third shape lies along the axis that is left
    return Content(
        count=1 + np.searchsorted(share[:-1] / share[-1], u[:, 0], side="right"),
        colour=(u[:, 3:6] * len(COLOURS)).astype(np.int64),
        shape=(u[:, 6:9] * len(SHAPES)).astype(np.int64),
        size=(u[:, 9:12] < 0.5).astype(np.int64),
        said=u[:, 12:15] < 0.5,
        relation=np.stack([relation, other_axis], axis=1),
    )


def _distinct(content: Content) -> Bool[np.ndarray, " b"]:
    pair = np.where(content.present, content.pair, -1 - np.arange(MOST))
    return (pair[:, [0, 0, 1]] != pair[:, [1, 2, 2]]).all(axis=1)


def draw_scenes(content: Content, keys: Keys) -> Scenes:
    """Places, exact sizes, exact colours and grounds for given content."""
    u = keys.fold("place").uniform((MOST, 3), dtype=torch.float64).numpy()
    u[..., :2] = 0.5 + _FREEDOM * (u[..., :2] - 0.5)
    cuts = 0.5 + _FREEDOM * (keys.fold("cut").uniform((2,), dtype=torch.float64).numpy() - 0.5)
    low, high = np.moveaxis(_RADII[content.size], -1, 0)
    radius = low + (high - low) * u[..., 2]
    return Scenes(content, radius, _place(content, radius, u[..., :2], cuts), _tint(content, keys), grounds.draw(keys))


def _tint(content: Content, keys: Keys) -> Float[np.ndarray, "b 3 3"]:
    u = keys.fold("tint").uniform((MOST, 3), dtype=torch.float64).numpy()
    lightness, red, green = np.moveaxis(_JITTER * (2 * u - 1), -1, 0)
    return np.clip(palette()[content.colour] + from_opponent(lightness, red, green), 0.0, 1.0)


def _place(
    content: Content, radius: Float[np.ndarray, "b 3"], u: Float[np.ndarray, "b 3 2"], cuts: Float[np.ndarray, "b 2"]
) -> Float[np.ndarray, "b 3 2"]:
    extent = EXTENT.numpy()[content.shape] * radius[..., None]
    low, high = np.empty_like(extent), np.empty_like(extent)
    for axis in range(2):
        low[..., axis], high[..., axis] = _bands(content, extent[..., axis], cuts[:, axis], axis)
    centre = low + (high - low) * u
    rows = np.arange(len(content))
    for other in (1, 2):  # lean: across the axis of the relation, keep near the first shape
        along = 1 - content.relation[:, other - 1] // 2
        across = 1 - along
        reach = _LEAN * np.abs(centre[rows, other, along] - centre[rows, 0, along])
        least = np.maximum(low[rows, other, across], centre[rows, 0, across] - reach)
        most = np.minimum(high[rows, other, across], centre[rows, 0, across] + reach)
        centre[rows, other, across] = least + (most - least) * u[rows, other, across]
    return centre


def _bands(
    content: Content, extent: Float[np.ndarray, "b 3"], cut: Float[np.ndarray, " b"], axis: int
) -> tuple[Float[np.ndarray, "b 3"], Float[np.ndarray, "b 3"]]:
    """The least and the greatest coordinate of each centre along one axis (0: x, 1: y)."""
    related = content.relation // 2 == 1 - axis
    along = np.concatenate([np.zeros((len(content), 1), dtype=bool), related], axis=1)
    far = along & content.present  # at most one a row: the other relation is about the other axis
    divided = far.any(axis=1)
    near_width = 2 * np.where(far | ~content.present, 0.0, extent).max(axis=1)
    far_width = 2 * np.where(far, extent, 0.0).max(axis=1)
    free = 1 - 2 * _MARGIN - _GAP - near_width - far_width
    edge = np.where(divided, _MARGIN + near_width + free * cut, 1 - _MARGIN)[:, None]  # where the near band ends
    low = np.where(far, edge + _GAP, _MARGIN) + extent
    high = np.where(far, 1 - _MARGIN, edge) - extent
    relation = np.where(content.relation[:, 0] // 2 == 1 - axis, content.relation[:, 0], content.relation[:, 1])
    flip = (relation % 2 == 1)[:, None]  # below, right of: the related shape has the smaller coordinate
    return np.where(flip, 1 - high, low), np.where(flip, 1 - low, high)
