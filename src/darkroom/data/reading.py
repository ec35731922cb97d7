"""Many picture files to uint8 squares: all of them at once into memory, or each at its visit."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import get_worker_info

from darkroom.data.decode import UnreadablePicture, decode, probe
from darkroom.data.transforms import square

VERSION = 2  # raise it when the same file comes out differently, so that caches of older readings are left alone
_CHUNK = 4096  # items handed to the threads at once: a future for each of a million is a gigabyte
_log = logging.getLogger(__name__)
Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Reading:
    """How the files of one folder are read; the arguments are those of :func:`darkroom.data.decode.decode`."""

    root: Path
    resolution: int
    background: tuple[int, ...]
    max_pixels: int

    def picture(self, name: str) -> UInt8[Tensor, "3 H W"]:
        """Raises :class:`UnreadablePicture`."""
        image = decode(
            self.root / name, background=self.background, max_pixels=self.max_pixels, short_side=self.resolution
        )
        return square(image, self.resolution)

    def probe(self, name: str) -> None:
        """Raises :class:`UnreadablePicture` where the header alone says so."""
        probe(self.root / name, max_pixels=self.max_pixels, short_side=self.resolution)


@dataclass(frozen=True)
class StoredPictures:
    """Some rows of the pictures in memory, by index; two splits share one memory."""

    pixels: UInt8[Tensor, "n 3 H W"]
    rows: Sequence[int]

    def __call__(self, indices: Sequence[int]) -> UInt8[Tensor, "b 3 H W"]:
        """A copy of the pictures."""
        return self.pixels[[self.rows[index] for index in indices]]


class PictureFiles:
    """Pictures decoded at each visit, by index.

    A file that turns out unreadable is named once and replaced by the next readable one, so that a visit to it gives
    the same picture in every process and the visits to others stay as they were; ``stand_ins`` tells by which.

    Args:
        spare: so many may turn out unreadable in one process before the run stops.
    """

    def __init__(self, reading: Reading, names: Sequence[str], spare: int):
        self._reading, self._names, self._spare = reading, names, spare
        self._faults: dict[int, str] = {}
        self.stand_ins: dict[int, int] = {}

    def __call__(self, indices: Sequence[int]) -> UInt8[Tensor, "b 3 H W"]:
        """Raises ValueError with the list of all that could not be read, where they are too many."""
        # a worker process is one of as many as there shall be
        found = in_threads(self._own, indices) if get_worker_info() is None else map(self._own, indices)
        pictures = zip(indices, found, strict=True)
        return torch.stack([self._next(index) if picture is None else picture for index, picture in pictures])

    def _own(self, index: int) -> UInt8[Tensor, "3 H W"] | None:
        """The picture itself; None where it cannot be read. Changes nothing, since threads call it."""
        if index in self._faults:
            return None
        try:
            return self._reading.picture(self._names[index])
        except UnreadablePicture:
            return None

    def _next(self, index: int) -> UInt8[Tensor, "3 H W"]:
        """The first that can be read from ``index`` on."""
        for candidate in (*range(index, len(self._names)), *range(index)):
            if candidate in self._faults:
                continue
            try:
                picture = self._reading.picture(self._names[candidate])
            except UnreadablePicture as fault:
                self._faults[candidate] = str(fault)
                refuse(self._faults.values(), self._spare)
                report([str(fault)])
            else:
                self.stand_ins[index] = candidate
                return picture
        raise ValueError(f"data.root={self._reading.root}: not one picture can be read")


def decode_all(reading: Reading, names: Sequence[str]) -> tuple[UInt8[Tensor, "n 3 H W"], dict[int, str]]:
    """Every picture, and why some are missing: index and reason; their rows hold nothing."""
    pixels = torch.zeros(len(names), 3, reading.resolution, reading.resolution, dtype=torch.uint8)

    def read(index: int) -> str | None:
        try:
            pixels[index] = reading.picture(names[index])
        except UnreadablePicture as fault:
            return str(fault)
        return None

    answers = enumerate(in_threads(read, range(len(names))))
    return pixels, {index: fault for index, fault in answers if fault}


def probe_all(reading: Reading, names: Sequence[str]) -> dict[int, str]:
    """Index and reason of each file whose header is no picture's."""

    def read(name: str) -> str | None:
        try:
            reading.probe(name)
        except UnreadablePicture as fault:
            return str(fault)
        return None

    return {index: fault for index, fault in enumerate(in_threads(read, names)) if fault}


def in_threads(function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Answer]:
    """``map`` over threads, in order; Pillow, hashing and files let other threads run meanwhile."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(items), _CHUNK):
            yield from pool.map(function, items[start : start + _CHUNK])


def report(faults: Iterable[str]) -> None:
    """Name each unreadable picture."""
    for fault in faults:
        _log.warning("skipped an unreadable picture: %s", fault)


def refuse(faults: Iterable[str], most: int) -> None:
    """Raise ValueError with all of ``faults`` where they are more than ``most``."""
    faults = sorted(faults)
    if len(faults) > most:
        raise ValueError(
            f"{len(faults)} pictures cannot be read, {most} may (data.max_unreadable); "
            "repair or remove them, or raise the key:\n  " + "\n  ".join(faults)
        )
