"""The judge: reads a picture of shapes without its caption, or says why it cannot be read.

Grounds are muted and shapes are not, so chroma finds the shapes: a blob is a connected region of more than half a
shape's chroma. Its core, where blurred edges do not reach, gives the colour, and must be of one palette colour and only
one. The chroma of every pixel around, as a share of the core's, is how much of the pixel the shape covers; that map is
held against each of the four shapes drawn with the same area and the same centre of mass, at several blurs. The best
must overlap well, and better than any other, in the left half as in the right and in the upper as in the lower: a
wobbly shape does, one that is half another kind does not. Colour that no blob accounts for, such as the pale double
of a blend, makes the picture unreadable.

Everything is fixed here, before any sample is scored; a change of a threshold is a new VERSION.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import interpolate, pad

from darkroom.data.shapes.agreement import Reading, Seen
from darkroom.data.shapes.blobs import dilate, erode, label
from darkroom.data.shapes.colour import to_opponent
from darkroom.data.shapes.filters import blur
from darkroom.data.shapes.geometry import AREA, SINK
from darkroom.data.shapes.render import coverage
from darkroom.data.shapes.vocabulary import COLOURS, SHAPES, SIZES, palette

VERSION = "shapes judge 2"
_SIDE = 64  # pictures of any other size are read at this one
_WINDOW = 40  # pixels around a blob: the largest shape is 27 wide
_AT_ONCE = 64  # pictures: few enough for the cache of a core


@dataclass(frozen=True)
class Thresholds:
    """Lengths in pixels of a picture of 64, colours in the opponent space of RGB in [0, 1]."""

    chroma: float = 0.28  # of a blob: half that of the palest colour
    ghost: float = 0.16  # chroma that a ground does not have
    speck: int = 14  # pixels of either kind that are forgiven; the smallest triangle has 135
    edge: int = 3  # how far a blob's blurred edge may reach
    core: int = 2  # how far blur is kept out of the core
    lightness: float = 0.5  # weight against chroma in the distance between colours
    colour: float = 0.18  # greatest distance to the palette, whose closest two are 0.32 apart
    spread: float = 0.09  # greatest deviation within a core: halves of the two closest colours have 0.16
    # By shape, in the order of SHAPES: least overlap in any half, and least lead there over every other shape. Of 1,500
    # shapes half another kind, what looked most like a circle had 0.72 and -0.09, a square 0.83 and 0.10, a triangle
    # 0.83 and 0.00, a cross 0.81 and 0.09; of imitated reconstructions, 2 in 1,000 have less than 0.93 and 0.08, 0.91
    # and 0.07, 0.89 and 0.09, 0.91 and 0.13.
    overlap: tuple[float, ...] = (0.80, 0.85, 0.85, 0.83)
    lead: tuple[float, ...] = (-0.03, 0.0, 0.0, 0.0)
    radii: tuple[float, float, float] = (6.5, 10.6, 15.0)  # least, between small and large, greatest
    noise: float = 1.0  # blur against noise before reading
    blurs: tuple[float, ...] = (1.0, 1.4, 1.8)  # of a sharp, a reconstructed and a soft picture after it


THRESHOLDS = Thresholds()
HASH = hashlib.sha256(json.dumps([VERSION, asdict(THRESHOLDS)]).encode()).hexdigest()


@dataclass(frozen=True)
class _Blobs:
    """All blobs of several pictures, one row a blob."""

    picture: Int64[Tensor, " n"]
    mask: Bool[Tensor, "n side side"]

    def __len__(self) -> int:
        return len(self.picture)


def read(pictures: UInt8[Tensor, "b 3 H W"]) -> list[Reading]:
    """One reading a picture; a picture's reading does not depend on the others."""
    return [
        reading
        for start in range(0, len(pictures), _AT_ONCE)
        for reading in _read(pictures[start : start + _AT_ONCE].cpu())
    ]


def _read(pictures: UInt8[Tensor, "b 3 H W"]) -> list[Reading]:
    limits = THRESHOLDS
    planes = _planes(pictures)
    chroma = torch.hypot(planes[:, 1], planes[:, 2])
    blobs = _find(chroma > limits.chroma)
    faults = _stray(chroma, blobs, len(pictures))
    seen: list[list[Seen]] = [[] for _ in range(len(pictures))]
    if len(blobs):
        for picture, one, fault in zip(blobs.picture.tolist(), *_identify(planes, blobs), strict=True):
            seen[picture].append(one)
            faults[picture] = faults[picture] or fault
    empty = ["no shape" if not shapes else None for shapes in seen]
    return [
        Reading((), fault) if (fault := stray or none) else Reading(tuple(shapes))
        for shapes, stray, none in zip(seen, faults, empty, strict=True)
    ]


def _planes(pictures: UInt8[Tensor, "b 3 H W"]) -> Float[Tensor, "b 3 side side"]:
    """Lightness and chroma against the ground's, which is the same all over it up to noise."""
    rgb = pictures.float() / 255
    if rgb.shape[-2:] != (_SIDE, _SIDE):
        rgb = interpolate(rgb, size=(_SIDE, _SIDE), mode="bilinear", antialias=True)
    planes = blur(to_opponent(rgb), THRESHOLDS.noise)
    ground = planes[:, 1:, ::2, ::2].flatten(2).median(dim=2).values
    planes[:, 1:] -= ground[..., None, None]
    return planes


def _find(mask: Bool[Tensor, "b side side"]) -> _Blobs:
    """Blobs that are more than a speck."""
    numbers = label(mask)
    own = torch.arange(1, _SIDE * _SIDE + 1).view(_SIDE, _SIDE)
    picture, y, x = (numbers == own).nonzero(as_tuple=True)  # the pixel that gave a blob its number
    masks = numbers[picture] == own[y, x][:, None, None]
    kept = masks.sum(dim=(1, 2)) > THRESHOLDS.speck
    return _Blobs(picture[kept], masks[kept])


def _stray(chroma: Float[Tensor, "b side side"], blobs: _Blobs, count: int) -> list[str | None]:
    """A fault for each picture that has colour outside its blobs."""
    accounted = torch.zeros_like(chroma).index_add_(0, blobs.picture, blobs.mask.float()) > 0
    outside = (chroma > THRESHOLDS.ghost) & ~dilate(accounted, THRESHOLDS.edge)
    strays = outside.sum(dim=(1, 2)) > THRESHOLDS.speck
    return ["colour that belongs to no shape" if strays[row] else None for row in range(count)]


def _identify(planes: Float[Tensor, "b 3 side side"], blobs: _Blobs) -> tuple[list[Seen], list[str | None]]:
    """What each blob is, and what is wrong with it."""
    limits = THRESHOLDS
    corner, mask, inside = _windows(planes, blobs)
    colour, hue, faults = _colour(inside, mask)
    cover = (inside[:, 1:] * hue[:, :, None, None]).sum(1) / hue.square().sum(1)[:, None, None]
    cover = cover.clamp(0.0, 1.0) * dilate(mask, limits.edge - 1)
    kind, radius, middle, overlap, lead = _fit(cover)
    x, y = ((corner + middle) / _SIDE).unbind(1)
    size = (radius > limits.radii[1]).long()
    faults = _first(faults, overlap < torch.tensor(limits.overlap)[kind], "a shape that is none of the known ones")
    faults = _first(faults, lead < torch.tensor(limits.lead)[kind], "a shape between two kinds")
    faults = _first(faults, (radius < limits.radii[0]) | (radius > limits.radii[2]), "a shape of no known size")
    rows = zip(colour.tolist(), kind.tolist(), size.tolist(), x.tolist(), y.tolist(), strict=True)
    return [Seen(COLOURS[c], SHAPES[k], SIZES[s], right, down) for c, k, s, right, down in rows], faults


def _first(faults: list[str | None], wrong: Bool[Tensor, " n"], fault: str) -> list[str | None]:
    """Adds a fault where there is none yet."""
    return [old or (fault if new else None) for old, new in zip(faults, wrong.tolist(), strict=True)]


def _windows(
    planes: Float[Tensor, "b 3 side side"], blobs: _Blobs
) -> tuple[Float[Tensor, "n 2"], Bool[Tensor, "n w w"], Float[Tensor, "n 3 w w"]]:
    """The corner (x, y), the mask and the planes of a window around each blob; beyond the picture all is ground."""
    line = torch.arange(_SIDE, dtype=torch.float32)
    area = blobs.mask.sum(dim=(1, 2))
    x = ((blobs.mask.sum(dim=1).float() @ line) / area).round().long()
    y = ((blobs.mask.sum(dim=2).float() @ line) / area).round().long()
    half = _WINDOW // 2
    rows = (y[:, None] + torch.arange(_WINDOW))[:, :, None]  # in coordinates of the padded picture
    columns = (x[:, None] + torch.arange(_WINDOW))[:, None, :]
    wide = pad(planes, (half, half, half, half))
    inside = wide[blobs.picture[:, None, None], :, rows, columns].movedim(-1, 1)
    own = pad(blobs.mask, (half, half, half, half))[torch.arange(len(blobs))[:, None, None], rows, columns]
    return torch.stack([x - half, y - half], dim=1).float(), own, inside


def _colour(
    inside: Float[Tensor, "n 3 w w"], mask: Bool[Tensor, "n w w"]
) -> tuple[Int64[Tensor, " n"], Float[Tensor, "n 2"], list[str | None]]:
    """Number of the palette's nearest colour, the chroma of the core itself, and faults."""
    limits = THRESHOLDS
    core = erode(mask, limits.core)
    core = torch.where(core.any(dim=2).any(dim=1)[:, None, None], core, mask).float()
    weight = core.sum(dim=(1, 2))
    mean = (inside * core[:, None]).sum(dim=(2, 3)) / weight[:, None]
    scale = torch.tensor([limits.lightness, 1.0, 1.0])
    off = ((inside - mean[:, :, None, None]) * scale[:, None, None]).square().sum(dim=1)
    spread = ((off * core).sum(dim=(1, 2)) / weight).sqrt()
    known = to_opponent(torch.from_numpy(palette()).float()) * scale
    distance, colour = (mean[:, None] * scale - known).norm(dim=2).min(dim=1)
    faults: list[str | None] = [None] * len(mask)
    faults = _first(faults, distance > limits.colour, "a shape of no known colour")
    return colour, mean[:, 1:], _first(faults, spread > limits.spread, "a shape of several colours")


def _fit(
    cover: Float[Tensor, "n w w"],
) -> tuple[Int64[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, "n 2"], Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Of the best shape: number, radius, middle (x, y), overlap in the worst half, least lead over others in a half."""
    area = cover.sum(dim=(1, 2))
    line = torch.arange(_WINDOW) + 0.5
    x, y = (cover.sum(dim=1) @ line) / area, (cover.sum(dim=2) @ line) / area
    radius = (area[:, None] / AREA.float()).sqrt()
    middle = torch.stack([x[:, None].expand_as(radius), y[:, None] - SINK.float() * radius], dim=2)
    kinds = torch.arange(len(SHAPES)).repeat(len(cover))
    drawn = coverage(kinds, radius.flatten(), middle.flatten(0, 1), _WINDOW).view(*radius.shape, _WINDOW, _WINDOW)
    sides = torch.stack([line < x[:, None], line >= x[:, None]], dim=1).float()
    levels = torch.stack([line < y[:, None], line >= y[:, None]], dim=1).float()
    overlaps = torch.stack([_overlaps(cover, blur(drawn, sigma), levels, sides) for sigma in THRESHOLDS.blurs])
    whole, *halves = overlaps.amax(dim=0).unbind(dim=2)
    rows, best = torch.arange(len(cover)), whole.argmax(dim=1)
    half = torch.stack(halves, dim=2)  # n shapes 4
    own = half[rows, best]
    others = half.clone()
    others[rows, best] = 0.0
    lead = (own - others.amax(dim=1)).amin(dim=1)
    return best, radius[rows, best], middle[rows, best], own.amin(dim=1), lead


def _overlaps(
    cover: Float[Tensor, "n w w"],
    drawn: Float[Tensor, "n k w w"],
    levels: Float[Tensor, "n 2 w"],
    sides: Float[Tensor, "n 2 w"],
) -> Float[Tensor, "n k 5"]:
    """Intersection over union of coverages: in the whole, and in the left, right, upper and lower half."""
    parts = []
    for pixels in (torch.minimum(cover[:, None], drawn), torch.maximum(cover[:, None], drawn)):
        quarters = levels[:, None] @ pixels @ sides[:, None].mT
        parts.append(torch.cat([quarters.sum((2, 3))[..., None], quarters.sum(2), quarters.sum(3)], dim=2))
    return parts[0] / parts[1]
