"""Labels and captions of a split by index."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import torch

from darkroom.contracts import PictureDataset, Prompts


def names_hash(pictures: PictureDataset) -> str | None:
    """sha256 over the label and caption of every picture, in order; None where they have neither."""
    columns = pictures.labels, pictures.captions
    if columns == (None, None):
        return None
    total = hashlib.sha256()
    for column in columns:
        total.update(json.dumps(None if column is None else list(column)).encode())
    return total.hexdigest()


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
