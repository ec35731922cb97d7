"""Any folder of pictures, of any sizes: what a distance between folders is taken of."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from darkroom.data.decode import UnreadablePicture, decode
from darkroom.data.layout import picture_names
from darkroom.data.reading import in_threads


class PlainFolder:
    """The pictures below ``root``, at any depth, in the order of their names.

    Decoded at full size and laid over white; nothing of them is kept. Raises FileNotFoundError where there is none.
    """

    def __init__(self, root: Path, prepare: Callable[[UInt8[Tensor, "3 H W"]], Tensor]) -> None:
        """``prepare`` brings a picture to the size that all of a batch have."""
        self._root, self._prepare = root, prepare
        self.names: Sequence[str] = picture_names(root)
        if not self.names:
            raise FileNotFoundError(f"{root}: holds no pictures")

    def __len__(self) -> int:
        return len(self.names)

    def batches(self, size: int) -> Iterator[Tensor]:
        """All of them, prepared, ``size`` at a time. Raises ValueError with all of a batch that cannot be read."""
        for start in range(0, len(self), size):
            answers = list(in_threads(self._picture, self.names[start : start + size]))
            faults = [str(each) for each in answers if isinstance(each, UnreadablePicture)]
            if faults:
                raise ValueError(f"{len(faults)} pictures cannot be read; repair or remove them: {', '.join(faults)}")
            yield torch.stack([each for each in answers if isinstance(each, Tensor)])

    @property
    def fingerprint(self) -> str:
        """sha256 over names and contents, in order."""
        total = hashlib.sha256()
        for name, content in zip(self.names, in_threads(self._hash, self.names), strict=True):
            total.update(f"{name}\n{content}\n".encode(errors="surrogateescape"))
        return total.hexdigest()

    def _picture(self, name: str) -> Tensor | UnreadablePicture:
        try:
            pixels = np.array(decode(self._root / name))
            return self._prepare(torch.from_numpy(pixels).permute(2, 0, 1))
        except UnreadablePicture as fault:
            return fault

    def _hash(self, name: str) -> str:
        with (self._root / name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
