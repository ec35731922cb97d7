"""``data=shapes``: pictures drawn from a seed when first looked at, and captions for a test of composition."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from darkroom.build import Faults
from darkroom.contracts import Batch, Prompts, Verdicts, Visit
from darkroom.data.shapes.agreement import Agreement, agreement
from darkroom.data.shapes.captions import caption, parse
from darkroom.data.shapes.judge import HASH, read
from darkroom.data.shapes.render import render
from darkroom.data.shapes.scenes import MOST, Content, Scenes, draw_content, draw_scenes, kept_out, shows_kept_out
from darkroom.data.split import columns
from darkroom.keys import Keys, keys

VERSION = "shapes 5"  # a change that alters any picture or caption alters this
_SMALLEST = 32  # pixels; below, a cross is a blot


def _seen(content: Content) -> Bool[np.ndarray, " b"]:
    return ~shows_kept_out(content)


_WANTED: dict[str, Callable[[Content], Bool[np.ndarray, " b"]]] = {
    "train": _seen,
    "validation": _seen,
    "seen": _seen,
    "held_out": shows_kept_out,
}


class ShapesSplit:
    """One split, a PictureDataset: captions at once, pictures when the first is asked for, then all in memory."""

    flip_seed: int | None = None  # a mirrored "left of" is "right of"
    labels = None
    stand_ins: Mapping[int, int] = MappingProxyType({})  # all are drawn

    def __init__(self, content: Content, keys: Keys, resolution: int) -> None:
        self.content = content
        self._keys = keys
        self._resolution = resolution

    def __len__(self) -> int:
        return len(self.content)

    def __getstate__(self) -> dict[str, Any]:
        """Processes that read are sent pictures: each would draw all of them again."""
        return {**self.__dict__, "pictures": self.pictures}

    @cached_property
    def captions(self) -> tuple[str, ...]:
        return tuple(caption(self.content.requirement(row)) for row in range(len(self)))

    @cached_property
    def scenes(self) -> Scenes:
        """All that decides the pictures."""
        return draw_scenes(self.content, self._keys)

    @cached_property
    def pictures(self) -> UInt8[Tensor, "n 3 H W"]:
        """All pictures of the split."""
        return render(self.scenes, self._resolution)

    def __getitems__(self, visits: Sequence[Visit]) -> Batch:
        index, epoch, place = columns(visits)
        prompts = Prompts(caption=tuple(self.captions[visit.index] for visit in visits))
        return Batch(self.pictures[index], index, epoch, place, visits[0].step, prompts)

    def oriented(self, indices: Sequence[int], mirrored: bool) -> UInt8[Tensor, "b 3 H W"]:
        """Pictures by index; raises ValueError for mirrored ones, whose captions would be false."""
        if mirrored:
            raise ValueError("mirrored=True: pictures of shapes have one orientation, a mirrored 'left of' is false")
        return self.pictures[torch.as_tensor(indices, dtype=torch.int64)]


class Shapes:
    """Scenes of one to ``max_shapes`` coloured shapes with captions, a PictureSource.

    Scene k of a split is a function of (seed, split, k) alone, so that a larger split begins with the smaller one's.
    Training and validation never show the kept-out combinations of vocabulary.py.
    """

    classes = None
    attributes = tuple(field.name for field in fields(Agreement))
    judge_version = HASH

    def __init__(
        self,
        resolution: int = 64,
        max_shapes: int = 2,  # in one picture, 1 to 3
        train_size: int = 20_000,
        validation_size: int = 1_000,
        seed: int = 0,
    ) -> None:
        faults = [
            fault
            for wrong, fault in (
                (
                    resolution < _SMALLEST,
                    f"data.resolution={resolution} is too small; use {_SMALLEST} or more",
                ),
                (not 1 <= max_shapes <= MOST, f"data.max_shapes={max_shapes} is not in 1..{MOST}"),
                (train_size < 1, f"data.train_size={train_size} is not positive"),
                (validation_size < 1, f"data.validation_size={validation_size} is not positive"),
            )
            if wrong
        ]
        if faults:
            raise Faults(*faults)
        self.resolution = resolution
        self._max_shapes = max_shapes
        self._sizes = {"train": train_size, "validation": validation_size}
        self._seed = seed
        self._splits: dict[str, ShapesSplit] = {}
        facts = [VERSION, resolution, max_shapes, train_size, validation_size, seed]
        self.fingerprint = hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def split(self, name: str) -> ShapesSplit:
        """``"train"`` or ``"validation"``; the same object each time, so that pictures are drawn once."""
        if name not in self._sizes:
            raise ValueError(f"split={name!r} is not one of {sorted(self._sizes)}")
        if name not in self._splits:
            self._splits[name] = self._draw(name, self._sizes[name], self._seed)
        return self._splits[name]

    def challenge(self, kind: str, n: int, seed: int = 0) -> ShapesSplit:
        """``n`` new scenes for a test of composition, apart from both splits for every seed.

        ``kind`` is ``"seen"``, combinations that training contains, or ``"held_out"``, all with a kept-out part.
        """
        if kind not in ("seen", "held_out"):
            raise ValueError(f"kind={kind!r} is not one of ['held_out', 'seen']")
        return self._draw(kind, n, seed)

    def prompts(self, kind: str, n: int, seed: int = 0) -> tuple[str, ...]:
        """The captions of :meth:`challenge`; ``captions.parse`` tells what each requires."""
        return self.challenge(kind, n, seed).captions

    def kept_out(self, caption: str) -> str | None:
        """``"pair"`` for a caption with a kept-out (colour, shape) pair, ``"triple"`` for one of a new relation alone.

        None for a caption that training may hold. Raises ValueError for one outside of the grammar.
        """
        return kept_out(parse(caption))

    def judge(self, pictures: UInt8[Tensor, "b 3 H W"], captions: Sequence[str]) -> Verdicts:
        """What :mod:`darkroom.data.shapes.judge` reads in pictures, against what their captions ask for.

        Raises ValueError for a caption outside of the grammar.
        """
        readings = read(pictures)
        verdicts = [astuple(agreement(r, parse(text))) for r, text in zip(readings, captions, strict=True)]
        return Verdicts(right=torch.tensor(verdicts), valid=torch.tensor([r.fault is None for r in readings]))

    def _draw(self, name: str, size: int, seed: int) -> ShapesSplit:
        own = keys(seed=seed, purpose=f"shapes/{name}", places=range(size))
        return ShapesSplit(draw_content(own, self._max_shapes, _WANTED[name]), own, self.resolution)
