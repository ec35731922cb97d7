"""One split of a picture source: pictures by index, with labels, captions and mirroring."""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from darkroom.contracts import Batch, Visit
from darkroom.data.prompts import PromptTable
from darkroom.data.transforms import mirrored

Read = Callable[[Sequence[int]], UInt8[Tensor, "b 3 H W"]]


def columns(visits: Sequence[Visit]) -> tuple[Int64[Tensor, " b"], Int64[Tensor, " b"], Int64[Tensor, " b"]]:
    """Index, epoch and place of each visit."""
    index, epoch, _, place = (torch.tensor(column) for column in zip(*visits, strict=True))
    return index, epoch, place


class PictureSplit:
    """A :class:`darkroom.contracts.PictureDataset` over a function that reads pictures by index.

    Args:
        read: fresh uint8 pictures for a list of indices; picklable, since it travels to worker processes.
        size: how many pictures there are.
        labels: a class for each picture, or None.
        captions: a caption for each picture, empty where one lacks it, or None.
        flip_seed: mirrors every visit by a coin of this seed; None never mirrors.
        stand_ins: which pictures ``read`` answers in place of those that it cannot read; it fills them in.
    """

    def __init__(
        self,
        read: Read,
        size: int,
        *,
        labels: Sequence[int] | None = None,
        captions: Sequence[str] | None = None,
        flip_seed: int | None = None,
        stand_ins: Mapping[int, int] | None = None,
    ):
        self.labels = labels
        self.captions = captions
        self._read = read
        self._size = size
        self.flip_seed = flip_seed
        self.stand_ins = {} if stand_ins is None else stand_ins

    def __len__(self) -> int:
        return self._size

    def __getitems__(self, visits: Sequence[Visit]) -> Batch:
        """One batch; its visits are of one step."""
        index, epoch, place = columns(visits)
        image = self._read(index.tolist())
        if self.flip_seed is not None:
            rows = mirrored(index, epoch, seed=self.flip_seed)
            image[rows] = image[rows].flip(-1)
        return Batch(image, index, epoch, place, visits[0].step, PromptTable(self)[index.tolist()])

    def oriented(self, indices: Sequence[int], mirrored: bool) -> UInt8[Tensor, "b 3 H W"]:
        """The pictures as they are, or all of them mirrored."""
        image = self._read(list(indices))
        return image.flip(-1) if mirrored else image
