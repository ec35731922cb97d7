"""Labels and captions of a split by index."""

from collections.abc import Mapping, Sequence

import torch

from darkroom.contracts import PictureDataset, Prompts


class PromptTable:
    """What each picture is called; a picture in the place of one that cannot be read brings its own name along.

    ``stand_ins``: known beforehand, as to a cache; None asks the pictures.
    """

    def __init__(self, pictures: PictureDataset, stand_ins: Mapping[int, int] | None = None):
        self._labels, self._captions = pictures.labels, pictures.captions
        self._stand_ins = pictures.stand_ins if stand_ins is None else stand_ins

    def __getitem__(self, indices: Sequence[int]) -> Prompts:
        shown = [self._stand_ins.get(i, i) for i in indices]
        return Prompts(
            label=None if self._labels is None else torch.tensor([self._labels[i] for i in shown]),
            caption=None if self._captions is None else tuple(self._captions[i] for i in shown),
        )
