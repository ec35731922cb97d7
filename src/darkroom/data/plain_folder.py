"""Any folder of pictures, of any sizes: what a distance between folders is taken of."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from darkroom.data.decode import UnreadablePicture, decode
from darkroom.data.layout import picture_names
from darkroom.data.reading import VERSION, in_threads
from darkroom.files import digest


class PlainFolder:
    """The pictures below ``root``, at any depth, in the order of their names.

    Raises FileNotFoundError where there is none.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: Sequence[str] = picture_names(root)
        if not self.names:
            raise FileNotFoundError(f"{root}: holds no pictures; give a folder with some")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def fingerprint(self) -> str:
        """sha256 over names and contents, in order, and over how they are read."""
        total = hashlib.sha256(f"{VERSION}\n".encode())
        for name, content in zip(self.names, in_threads(self._hash, self.names), strict=True):
            total.update(f"{name}\n{content}\n".encode(errors="surrogateescape"))
        return total.hexdigest()

    def _hash(self, name: str) -> str:
        return digest(self.root / name)


def prepared(root: Path, names: Sequence[str], prepare: Callable[[UInt8[Tensor, "3 H W"]], Tensor]) -> Tensor:
    """Pictures below ``root``, decoded at full size, laid over white and brought by ``prepare`` to one size.

    Raises ValueError with all of them that cannot be read.
    """

    def picture(name: str) -> Tensor | UnreadablePicture:
        try:
            pixels = np.array(decode(root / name))
            return prepare(torch.from_numpy(pixels).permute(2, 0, 1))
        except UnreadablePicture as fault:
            return fault

    answers = list(in_threads(picture, names))
    if faults := [str(each) for each in answers if isinstance(each, UnreadablePicture)]:
        many = "1 picture" if len(faults) == 1 else f"{len(faults)} pictures"
        raise ValueError(f"{many} cannot be read; repair or remove what is named: {', '.join(faults)}")
    return torch.stack([each for each in answers if isinstance(each, Tensor)])
