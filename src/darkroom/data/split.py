"""One split of a picture source: pictures by index, with labels, captions and mirroring."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import UInt8
from torch import Tensor

from darkroom.contracts import Batch, Prompts, Visit
from darkroom.data.transforms import mirrored

Read = Callable[[Sequence[int]], UInt8[Tensor, "b 3 H W"]]


class PictureSplit:
    """A :class:`darkroom.contracts.PictureDataset` over a function that reads pictures by index.

    Args:
        read: fresh uint8 pictures for a list of indices; picklable, since it travels to worker processes.
        size: how many pictures there are.
        labels: a class for each picture, or None.
        captions: a caption for each picture, empty where one lacks it, or None.
        flip_seed: mirrors every visit by a coin of this seed; None never mirrors.
    """

    def __init__(
        self,
        read: Read,
        size: int,
        *,
        labels: Sequence[int] | None = None,
        captions: Sequence[str] | None = None,
        flip_seed: int | None = None,
    ):
        self.labels = labels
        self.captions = captions
        self._read = read
        self._size = size
        self.flip_seed = flip_seed

    def __len__(self) -> int:
        return self._size

    def __getitems__(self, visits: Sequence[Visit]) -> Batch:
        """One batch; its visits are of one step."""
        index = torch.tensor([visit.index for visit in visits])
        epoch = torch.tensor([visit.epoch for visit in visits])
        image = self._read(index.tolist())
        if self.flip_seed is not None:
            rows = mirrored(index, epoch, seed=self.flip_seed)
            image[rows] = image[rows].flip(-1)
        place = torch.tensor([visit.place for visit in visits])
        return Batch(image, index, epoch, place, visits[0].step, self._prompts(index.tolist()))

    def oriented(self, indices: Sequence[int], mirrored: bool) -> UInt8[Tensor, "b 3 H W"]:
        """The pictures as they are, or all of them mirrored."""
        image = self._read(list(indices))
        return image.flip(-1) if mirrored else image

    def _prompts(self, indices: Sequence[int]) -> Prompts:
        label = None if self.labels is None else torch.tensor([self.labels[i] for i in indices])
        caption = None if self.captions is None else tuple(self.captions[i] for i in indices)
        return Prompts(label, caption)
