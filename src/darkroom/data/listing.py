"""What lies in a folder of pictures: which are for training and which for validation, their classes and captions.

Nothing is decoded here, so which split a picture belongs to does not depend on whether any other can be read.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from darkroom.data.captions import read_captions
from darkroom.data.layout import survey, warn_of_others
from darkroom.keys import keys


@dataclass(frozen=True)
class Picture:
    """One file, unopened."""

    name: str  # relative to the root, with forward slashes
    label: int | None = None
    caption: str | None = None


@dataclass(frozen=True)
class Listing:
    """Both splits in the order of their names."""

    train: tuple[Picture, ...]
    validation: tuple[Picture, ...]
    classes: tuple[str, ...] | None


def list_folder(root: Path, *, validation_fraction: float, split_seed: int) -> Listing:
    """The pictures below ``root``, as :func:`darkroom.data.layout.survey` finds them, with their captions.

    Where the folder gives no split (``train`` alone, or no such folder), it is split by the hash of each name: a
    picture stays on its side when others come or go.

    Raises:
        OSError, ValueError: as ``survey`` does; faulty captions.
    """
    layout = survey(root)
    warn_of_others(root, layout.files)
    train, validation = layout.train, layout.validation
    if not validation:
        train, validation = _seeded_split(train, validation_fraction, split_seed)
    captions = read_captions(root, [*train, *validation], layout.files)
    number = {name: i for i, name in enumerate(layout.classes or ())}
    pictures = tuple(
        Picture(name, number.get(layout.folders[name]), captions[i] if captions else None)
        for i, name in enumerate((*train, *validation))
    )
    return Listing(pictures[: len(train)], pictures[len(train) :], layout.classes)


def _seeded_split(names: Sequence[str], fraction: float, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The pictures with the lowest keys are kept for validation: ``fraction`` of many, one of two, never all."""
    places = [
        int.from_bytes(hashlib.blake2b(os.fsencode(name), digest_size=8).digest(), "little", signed=True)
        for name in names
    ]
    rank = np.argsort(keys(seed=seed, purpose="validation", places=places).words, kind="stable")
    kept = {names[i] for i in rank[: min(len(names) - 1, max(1, round(len(names) * fraction)))]}
    return tuple(name for name in names if name not in kept), tuple(name for name in names if name in kept)
