"""Whether what the judge read is what a caption requires: as a whole, and by attribute."""

from collections import Counter
from dataclasses import dataclass, fields

from darkroom.data.shapes.captions import Requirement
from darkroom.data.shapes.vocabulary import RELATIONS


@dataclass(frozen=True)
class Seen:
    """A shape in a picture; ``x`` and ``y`` are the middle of its bounding box in sides of the picture."""

    colour: str
    shape: str
    size: str
    x: float
    y: float

    @property
    def pair(self) -> tuple[str, str]:
        return (self.colour, self.shape)


@dataclass(frozen=True)
class Reading:
    """What a picture shows; with a ``fault`` it is no clear scene, ``shapes`` is empty and nothing agrees."""

    shapes: tuple[Seen, ...]
    fault: str | None = None


@dataclass(frozen=True)
class Agreement:
    """Which parts of a caption a picture obeys. ``pairs`` is each shape in its own colour."""

    count: bool
    colour: bool
    shape: bool
    pairs: bool
    size: bool
    relation: bool

    @property
    def whole(self) -> bool:
        return all(getattr(self, field.name) for field in fields(self))


def relation(first: Seen, second: Seen) -> str:
    """How the first shape lies to the second: along the axis on which their middles are further apart."""
    right, down = first.x - second.x, first.y - second.y
    above, below, left_of, right_of = RELATIONS
    if abs(down) > abs(right):
        return below if down > 0 else above
    return right_of if right > 0 else left_of


def agreement(reading: Reading, requirement: Requirement) -> Agreement:
    """By attribute. Sizes and relations count where the pairs agree: only then is it clear of which shapes they are."""
    if reading.fault is not None:
        return Agreement(False, False, False, False, False, False)
    wanted, seen = requirement.shapes, reading.shapes
    pairs = Counter(one.pair for one in wanted) == Counter(one.pair for one in seen)
    size = related = False
    if pairs:
        by_pair = {one.pair: one for one in seen}
        found = [by_pair[one.pair] for one in wanted]
        size = all(one.size in (None, other.size) for one, other in zip(wanted, found, strict=True))
        related = all(
            relation(found[0], other) == said for other, said in zip(found[1:], requirement.relations, strict=True)
        )
    return Agreement(
        count=len(wanted) == len(seen),
        colour=Counter(one.colour for one in wanted) == Counter(one.colour for one in seen),
        shape=Counter(one.shape for one in wanted) == Counter(one.shape for one in seen),
        pairs=pairs,
        size=size,
        relation=related,
    )


def agrees(reading: Reading, requirement: Requirement) -> bool:
    """Whether the picture shows what the caption requires, and nothing else."""
    return agreement(reading, requirement).whole
