"""What a caption asks for, and the caption itself: each can be had from the other.

    a small red circle
    a red circle above a small blue square
    a red circle above a small blue square and left of a large green cross

Relations are those of the first shape to the others. A size that is not said may be any.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from darkroom.data.shapes.vocabulary import COLOURS, RELATIONS, SHAPES, SIZES, Words


@dataclass(frozen=True)
class Wanted:
    """One shape of a caption; ``size`` is None where the caption leaves it open."""

    colour: str
    shape: str
    size: str | None = None

    @property
    def pair(self) -> tuple[str, str]:
        return (self.colour, self.shape)


@dataclass(frozen=True)
class Requirement:
    """Between one and three shapes, and how the first lies to each of the others."""

    shapes: tuple[Wanted, ...]
    relations: tuple[str, ...] = ()  # one fewer than shapes


def _noun_phrase(wanted: Wanted) -> str:
    words = [wanted.size, wanted.colour, wanted.shape]
    phrase = " ".join(word for word in words if word)
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def caption(requirement: Requirement) -> str:
    """The sentence for a requirement; :func:`parse` reads it back."""
    first, *others = map(_noun_phrase, requirement.shapes)
    parts = [f"{relation} {other}" for relation, other in zip(requirement.relations, others, strict=True)]
    return f"{first} {' and '.join(parts)}" if parts else first


def _one_of(words: Sequence[str]) -> str:
    return f"({'|'.join(words)})"


_NOUN = rf"an? (?:{_one_of(SIZES)} )?{_one_of(COLOURS)} {_one_of(SHAPES)}"
_RELATED = rf" {_one_of(RELATIONS)} {_NOUN}"
_SENTENCE = re.compile(rf"{_NOUN}(?:{_RELATED}(?: and{_RELATED})?)?")


def parse(text: str) -> Requirement:
    """The requirement that a caption states; raises ValueError for a sentence outside the grammar above."""
    found = _SENTENCE.fullmatch(text.strip().lower())
    if not found:
        raise ValueError(
            f"caption {text!r} is not one of the shapes world; write it like 'a red circle above a small blue square' "
            f"with the colours {_listed(COLOURS)}, the shapes {_listed(SHAPES)} and the relations {_listed(RELATIONS)}"
        )
    size, colour, shape, *rest = found.groups()
    shapes, relations = [Wanted(colour, shape, size)], []
    for start in range(0, len(rest), 4):
        relation, size, colour, shape = rest[start : start + 4]
        if relation:
            relations.append(relation)
            shapes.append(Wanted(colour, shape, size))
    return Requirement(tuple(shapes), tuple(relations))


def _listed(words: Words) -> str:
    return ", ".join(words)
