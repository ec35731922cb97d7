"""``data=mnist``: the original files, gzipped or unpacked, as 32 x 32 pictures of three equal channels."""

import gzip
import hashlib
import logging
import tempfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from darkroom.data.split import PictureSplit
from darkroom.data.transforms import square

SIDE = 32  # 28 does not divide by 8, the usual factor of a first stage
_PLACES = (".", "raw", "MNIST/raw")
_PARTS = {"train": "train", "validation": "t10k"}
# of the unpacked files whose gzipped originals torchvision knows by the sums f68b3c2d, d53e105e, 9fb629c4, ec29112d
_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_log = logging.getLogger(__name__)


class MNIST:
    """A :class:`darkroom.contracts.PictureSource` of the digits; the validation split is MNIST's test set.

    Args:
        root: holds the four files, directly or in ``raw`` or ``MNIST/raw``; never written to.
        resolution: 32 is the digit with two black pixels around; other sizes are scaled from that.
        download: folder into which torchvision fetches the files where ``root`` has none; None forbids it.

    Raises:
        FileNotFoundError: some of the files are missing and may not or cannot be downloaded.
        ValueError: a file is not the original.
    """

    classes = tuple(str(digit) for digit in range(10))

    def __init__(self, root: str | Path, resolution: int = SIDE, *, download: str | Path | None = "data"):
        if resolution < 1:
            raise ValueError(f"data.resolution={resolution} must be at least 1")
        self.resolution = resolution
        folder = _found(Path(root), None if download is None else Path(download))
        self._splits = {name: _split(folder, part, resolution) for name, part in _PARTS.items()}
        sums = " ".join(_MD5.values())  # _split has checked them
        self.fingerprint = hashlib.sha256(f"mnist 1 {resolution} {sums}".encode()).hexdigest()

    def split(self, name: str) -> PictureSplit:
        """``"train"`` or ``"validation"``."""
        return self._splits[name]


@dataclass(frozen=True)
class _Digits:
    """Digits by index, padded, scaled and repeated over the channels."""

    pixels: UInt8[Tensor, "n 28 28"]
    resolution: int

    def __call__(self, indices: Sequence[int]) -> UInt8[Tensor, "b 3 H W"]:
        margin = (SIDE - self.pixels.shape[-1]) // 2
        grey = pad(self.pixels[list(indices)], (margin,) * 4)[:, None]
        if self.resolution != SIDE:
            grey = torch.stack([square(Image.fromarray(digit[0].numpy()), self.resolution) for digit in grey])
        return grey.repeat(1, 3, 1, 1)


def _split(folder: Path, part: str, resolution: int) -> PictureSplit:
    pixels = _idx(folder / f"{part}-images-idx3-ubyte")
    labels = _idx(folder / f"{part}-labels-idx1-ubyte").tolist()
    return PictureSplit(_Digits(pixels, resolution), len(labels), labels=labels)


def _found(root: Path, download: Path | None) -> Path:
    """The folder with the four files, downloaded if need be."""
    if not root.is_dir() and root != download:
        raise FileNotFoundError(f"data.root={root}: no such folder")
    for folder in (base / place for base in (root, download) if base for place in _PLACES):
        if all(_file(folder / name) for name in _MD5):
            return folder
    if download is None:
        wanted = ", ".join(_MD5)
        raise FileNotFoundError(f"data.root={root}: lacks {wanted} (or .gz); name their folder, or set data.download")
    return _download(download)


def _file(path: Path) -> Path | None:
    """The file, unpacked or gzipped."""
    return next((file for file in (path, path.with_name(f"{path.name}.gz")) if file.is_file()), None)


def _download(folder: Path) -> Path:
    """Fetch into a temporary folder and move, so that several processes may do it at once."""
    from torchvision.datasets import MNIST as Torchvision  # slow to import, and seldom wanted

    _log.warning("downloading MNIST into %s", folder)
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    raw = folder / "MNIST" / "raw"
    try:
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            Torchvision(fresh, download=True)
            raw.mkdir(parents=True, exist_ok=True)
            for name in _MD5:
                (Path(fresh) / "MNIST" / "raw" / name).replace(raw / name)
    except (OSError, RuntimeError) as fault:  # no network, a wrong sum
        if new:
            with suppress(OSError):  # another process fetches into it
                folder.rmdir()
        reason = " ".join(str(fault).split())[:200]
        raise FileNotFoundError(
            f"data.download={folder}: MNIST is not there and could not be fetched ({reason}); fetch its four files "
            "elsewhere and give their folder as data.root"
        ) from fault
    return raw


def _idx(path: Path) -> UInt8[Tensor, "n ..."]:
    """An IDX file of bytes: 0, 0, 8 (unsigned byte), the number of axes, their lengths as big-endian int32, data."""
    file = _file(path)
    assert file is not None
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as fault:
        raise ValueError(f"{file}: {fault}; fetch it again") from fault
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != _MD5[path.name]:
        raise ValueError(f"{file}: not the original MNIST (its MD5 sum differs); fetch it again")
    axes = content[3]
    shape = np.frombuffer(content, ">i4", count=axes, offset=4)
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape).copy())
