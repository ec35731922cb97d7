"""The words of the shapes world, what they look like, and which combinations training never shows.

A pair is (colour, shape), a triple (pair, relation, pair). Kept out are an eighth of the pairs and, of all triples,
about an eighth more: the same for every seed, so that two models are asked for the same unseen combinations.
"""

from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int64

from darkroom.keys import keys

Words = tuple[str, ...]

# Eight hues of nearly equal chroma, so that half a chroma is half a shape whatever the colour. RGB in 0..255.
PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (222, 38, 42),
    "orange": (246, 136, 26),
    "yellow": (240, 218, 44),
    "green": (30, 176, 56),
    "cyan": (44, 200, 222),
    "blue": (42, 82, 226),
    "purple": (140, 40, 208),
    "pink": (248, 84, 188),
}
COLOURS: Words = tuple(PALETTE)
SHAPES: Words = ("circle", "square", "triangle", "cross")
SIZES: Words = ("small", "large")
RELATIONS: Words = ("above", "below", "left of", "right of")  # a relation and its inverse are neighbours: i ^ 1

PAIRS = len(COLOURS) * len(SHAPES)


def pair_index(colour: Int64[np.ndarray, "*b"], shape: Int64[np.ndarray, "*b"]) -> Int64[np.ndarray, "*b"]:
    """The number of a (colour, shape) pair, in 0..PAIRS-1."""
    return colour * len(SHAPES) + shape


@cache
def palette() -> Float[np.ndarray, "colours 3"]:
    """The colours as RGB in [0, 1]."""
    return np.array(list(PALETTE.values())) / 255.0


@cache
def kept_out_pairs() -> Bool[np.ndarray, " pairs"]:
    """True for pairs that training never shows: one colour of each shape, all different.

    Orange circles, green squares, blue triangles, pink crosses.
    """
    colour, shape = np.divmod(np.arange(PAIRS), len(SHAPES))
    return colour == 2 * shape + 1


@cache
def kept_out_triples() -> Bool[np.ndarray, "pairs relations pairs"]:
    """True for triples that training never shows though it may show both pairs; closed under exchanging the two."""
    drawn = keys(seed=0, purpose="shapes/kept out triples", places=range(PAIRS * 2 * PAIRS))
    half = (drawn.words % 8 == 1).reshape(PAIRS, 2, PAIRS)
    table = np.empty((PAIRS, len(RELATIONS), PAIRS), dtype=bool)
    table[:, 0::2] = half  # above, left of
    table[:, 1::2] = half.transpose(2, 1, 0)  # below, right of: the same scene, told from the other side
    return table
