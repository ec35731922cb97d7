"""What lies in a folder of pictures: which are for training and which for validation, their classes and captions.

Nothing is decoded here, so which split a picture belongs to does not depend on whether any other can be read.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from darkroom.data.captions import read_captions
from darkroom.keys import keys

EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff", ".tga", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
)
_TRAIN, _VALIDATION = "train", ("val", "validation", "test")
_log = logging.getLogger(__name__)


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
    """The pictures below ``root``; links are followed, hidden files and folders are not.

    Where ``root`` holds ``train`` and one of ``val``, ``validation``, ``test`` (the first there is), those are the
    splits. ``train`` alone, or no such folder, is split by the hash of each name: a picture stays on its side when
    others come or go. The sub-folders of a split are classes, unless a picture lies in none of them or there is but
    one; their order is ``classes.json`` in ``root``, a list of names, else the alphabet.

    Raises:
        FileNotFoundError: no such folder, or fewer than two pictures in it.
        ValueError: classes that ``classes.json`` or the training pictures do not have; faulty captions.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"data.root={root}: no such folder")
    files = sorted(_files(root, root, frozenset()))
    names = [name for name in files if Path(name).suffix.lower() in EXTENSIONS]
    train_folder, validation_folder = _given_split(names)
    train = [name for name in names if name.startswith(train_folder)]
    validation = [name for name in names if validation_folder and name.startswith(validation_folder)]
    folders = {name: _sub_folder(name, train_folder) for name in train}
    folders |= {name: _sub_folder(name, validation_folder) for name in validation}
    classes = _classes(root, [folders[name] for name in train], [folders[name] for name in validation])
    if not validation_folder:
        train, validation = _seeded_split(train, validation_fraction, split_seed)
    if not train or not validation:
        raise FileNotFoundError(
            f"data.root={root}: {len(train)} pictures to train and {len(validation)} to validate, and both need one; "
            f"pictures end in {' '.join(EXTENSIONS)}"
        )
    captions = read_captions(root, train + validation, files)
    number = {name: i for i, name in enumerate(classes or ())}
    pictures = tuple(
        Picture(name, number.get(folders[name]), captions[i] if captions else None)
        for i, name in enumerate(train + validation)
    )
    return Listing(pictures[: len(train)], pictures[len(train) :], classes)


def _files(folder: Path, root: Path, above: frozenset[str]) -> Iterator[str]:
    """Names of all files below ``folder``; ``above`` are the real folders on the way, to end a circle of links."""
    real = os.path.realpath(folder)
    if real in above:
        return
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        path = Path(entry.path)
        if entry.is_dir():
            yield from _files(path, root, above | {real})
        elif entry.is_file() or entry.is_symlink():  # a link to nowhere shall be named as unreadable
            yield path.relative_to(root).as_posix()


def _given_split(names: Sequence[str]) -> tuple[str, str]:
    """Prefixes of the training and the validation pictures; empty where the folder gives none."""
    tops = {name.partition("/")[0] if "/" in name else "" for name in names}
    validation = next((folder for folder in _VALIDATION if folder in tops), None)
    if _TRAIN not in tops or (validation is None and tops != {_TRAIN}):
        return "", ""  # without its counterpart and among other folders, "train" is the class of trains
    if left := tops - {_TRAIN, validation}:
        _log.warning("pictures outside %s and %s are left out: %s", _TRAIN, validation, ", ".join(sorted(left)) or ".")
    return f"{_TRAIN}/", f"{validation}/" if validation else ""


def _sub_folder(name: str, split: str) -> str:
    folder, slash, _ = name.removeprefix(split).partition("/")
    return folder if slash else ""


def _classes(root: Path, train: Sequence[str], validation: Sequence[str]) -> tuple[str, ...] | None:
    """Names in the order of the labels, from the sub-folders of both splits ("" is none)."""
    file = root / "classes.json"
    if file.is_file():
        classes = _listed_classes(file)
        origin = str(file)
    else:
        classes = tuple(sorted(set(train)))
        origin = "the training pictures"
        if "" in classes or len(classes) < 2:
            if len(classes) > 1:
                _log.warning("data.root=%s: pictures lie beside the sub-folders, which are no classes then", root)
            return None
    if strange := sorted({*train, *validation} - set(classes)):
        listed = ", ".join(name or "(none)" for name in strange)
        raise ValueError(f"data.root={root}: sub-folders that are no class of {origin}: {listed}; add or move them")
    return classes


def _listed_classes(file: Path) -> tuple[str, ...]:
    try:
        classes = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as fault:
        raise ValueError(f"{file}: not JSON ({fault}); write a list of folder names in the order of labels") from fault
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError(f"{file}: write a list of folder names in the order of labels, or rename the file")
    if len(set(classes)) < len(classes):
        raise ValueError(f"{file}: names a class twice; name each once")
    return tuple(classes)


def _seeded_split(names: Sequence[str], fraction: float, seed: int) -> tuple[list[str], list[str]]:
    """The pictures with the lowest keys are kept for validation: at least one of two, ``fraction`` of many."""
    places = [
        int.from_bytes(hashlib.blake2b(os.fsencode(name), digest_size=8).digest(), "little", signed=True)
        for name in names
    ]
    rank = np.argsort(keys(seed=seed, purpose="validation", places=places).words, kind="stable")
    kept = {names[i] for i in rank[: max(1, round(len(names) * fraction))]}
    return [name for name in names if name not in kept], [name for name in names if name in kept]
