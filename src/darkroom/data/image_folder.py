"""``data=image_folder``: a folder of pictures of any size and format, read as squares of one size."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from jaxtyping import UInt8
from torch import Tensor

from darkroom.build import Faults
from darkroom.data.decode import MAX_PIXELS, WHITE
from darkroom.data.listing import Picture, list_folder
from darkroom.data.reading import (
    VERSION,
    PictureFiles,
    Reading,
    StoredPictures,
    decode_all,
    in_threads,
    probe_all,
    refuse,
    report,
)
from darkroom.data.split import PictureSplit, Read
from darkroom.files import digest

_PILLOW_LIMIT = 178_000_000
_log = logging.getLogger(__name__)
T = TypeVar("T")


class ImageFolder:
    """A :class:`darkroom.contracts.PictureSource` over what :func:`darkroom.data.listing.list_folder` finds.

    Where all pictures at ``resolution`` fit ``cache_mb``, they are decoded once, here, in threads, and kept as uint8:
    later visits cost a copy, and every unreadable file is known. Of larger sets the headers are read here and the
    rest at each visit; see :class:`darkroom.data.reading.PictureFiles` for a file that fails only then.

    Args:
        root: the folder.
        resolution: side of the square pictures.
        validation_fraction: kept for validation where the folder gives no split.
        background: RGB in 0..255, shown where pictures are transparent.
        flip: training sees each picture mirrored half of the time.
        max_unreadable: so many pictures may be named and skipped; above ``cache_mb`` each process counts for itself,
            and in each split, those that only a visit finds.
        max_pixels: larger pictures count as unreadable (decompression bombs); a large JPEG by the size that it is
            decoded at.
        cache_mb: memory for decoded pictures in each process, in MiB; 0 decodes at each visit.
        seed: of the mirroring.
        split_seed: of the validation split.

    Raises:
        FileNotFoundError, ValueError: as ``list_folder`` does; a setting out of range; too many unreadable pictures.
    """

    def __init__(
        self,
        root: str | Path,
        resolution: int,
        *,
        validation_fraction: float = 0.1,
        background: Sequence[int] = WHITE,
        flip: bool = False,
        max_unreadable: int = 0,
        max_pixels: int = MAX_PIXELS,
        cache_mb: int = 1024,
        seed: int = 0,
        split_seed: int = 0,
    ):
        _check(resolution, validation_fraction, background, max_pixels)
        self.resolution = resolution
        self._reading = Reading(Path(root), resolution, tuple(background), max_pixels)
        listing = list_folder(Path(root), validation_fraction=validation_fraction, split_seed=split_seed)
        self.classes = listing.classes
        found = listing.train + listing.validation
        pixels, faults = self._scan([picture.name for picture in found], cache_mb)
        refuse(faults.values(), max_unreadable)
        report(faults.values())
        self._pictures: dict[str, list[Picture]] = {}
        self._splits: dict[str, PictureSplit] = {}
        border = len(listing.train)
        for name, span in (("train", range(border)), ("validation", range(border, len(found)))):
            rows = [row for row in span if row not in faults]
            if not rows:
                raise ValueError(f"data.root={root}: no picture of the {name} split can be read")
            pictures = self._pictures[name] = [found[row] for row in rows]
            names = [picture.name for picture in pictures]
            files = PictureFiles(self._reading, names, max_unreadable - len(faults))
            read = files if pixels is None else StoredPictures(pixels, rows)
            flip_seed = seed if flip and name == "train" else None
            self._splits[name] = _split(pictures, read, flip_seed, files.stand_ins)

    def split(self, name: str) -> PictureSplit:
        """``"train"`` or ``"validation"``."""
        return self._splits[name]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the readable files' names, contents and splits and over how they are read; reads every byte.

        Not over ``flip``, which decides what training makes of the pictures: metrics are of unmirrored ones, and the
        latent cache has a file for each orientation. Nor over labels and captions: protocols that depend on these have
        :func:`darkroom.data.prompts.names_hash`.
        """
        reading = self._reading
        how = {"version": VERSION, "resolution": reading.resolution, "background": reading.background}
        total = hashlib.sha256(json.dumps(how).encode())
        for split, pictures in self._pictures.items():
            names = [picture.name for picture in pictures]
            for name, content in zip(names, in_threads(self._content_hash, names), strict=True):
                total.update(f"{split}/{name}\n{content}\n".encode(errors="surrogateescape"))
        return total.hexdigest()

    def _content_hash(self, name: str) -> str:
        return digest(self._reading.root / name)

    def _scan(self, names: Sequence[str], cache_mb: int) -> tuple[UInt8[Tensor, "n 3 H W"] | None, dict[int, str]]:
        """All pictures where they fit, and what is unreadable among them."""
        megabytes = len(names) * 3 * self.resolution**2 / 2**20
        if megabytes > cache_mb:
            _log.info(
                "%d pictures (%.0f MiB) are over data.cache_mb=%d: read at each visit", len(names), megabytes, cache_mb
            )
            return None, probe_all(self._reading, names)
        _log.info("decoding %d pictures into %.0f MiB of memory", len(names), megabytes)
        return decode_all(self._reading, names)


def _split(
    pictures: Sequence[Picture], read: Read, flip_seed: int | None, stand_ins: Mapping[int, int]
) -> PictureSplit:
    labels = _present([picture.label for picture in pictures])
    captions = _present([picture.caption for picture in pictures])
    return PictureSplit(read, len(pictures), labels=labels, captions=captions, flip_seed=flip_seed, stand_ins=stand_ins)


def _present(values: Sequence[T | None]) -> list[T] | None:
    """The values, or None where the folder has none: a listing gives every picture one or no picture."""
    present = [value for value in values if value is not None]
    return present or None


def _check(resolution: int, validation_fraction: float, background: Sequence[int], max_pixels: int) -> None:
    faults = []
    if resolution < 1:
        faults.append(f"data.resolution={resolution} must be at least 1")
    if not 0 < validation_fraction < 1:
        faults.append(f"data.validation_fraction={validation_fraction} must lie between 0 and 1")
    if len(background) != 3 or not all(0 <= value <= 255 for value in background):
        faults.append(f"data.background={list(background)} must be three values in 0..255, such as [255, 255, 255]")
    if not 0 < max_pixels <= _PILLOW_LIMIT:
        faults.append(f"data.max_pixels={max_pixels} must lie in 1..{_PILLOW_LIMIT}, above which Pillow itself refuses")
    if faults:
        raise Faults(*faults)
