"""Features of the real pictures that a run's samples are held against: kept ones, or computed where they are wanted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.commands.console import progress
from darkroom.commands.pictures import reconstruct
from darkroom.contracts import FirstStage, PictureSource
from darkroom.generation.sample_set import SampleSet
from darkroom.metrics.extractor import FeatureExtractor, features
from darkroom.metrics.reference import kept_statistics
from darkroom.metrics.statistics_file import Statistics


@dataclass(frozen=True)
class RealFeatures:
    """Of training and validation pictures, by one extractor."""

    extractor: FeatureExtractor
    source: PictureSource
    samples: SampleSet  # says which training pictures
    cache: Path
    batch_size: int

    def reference(self, *, held: bool = True) -> Statistics:
        """Of the training pictures that are the reference; their moments alone unless ``held``."""
        return self._kept("train", {"reference": self.samples.facts(self.source)}, held=held)

    def memory(self, first_stage: FirstStage, *, mirrored: bool) -> Float[Tensor, "n d"]:
        """Of what a denoiser could have learnt by heart: the reference as the first stage gives it back.

        ``mirrored``: after it the same mirrored, where training saw pictures so.
        """
        reference = self.samples.facts(self.source)
        flips = (False, True) if mirrored and self.source.split("train").flip_seed is not None else (False,)
        kept = [self._kept("train", {"reference": reference | {"mirrored": each}}, first_stage) for each in flips]
        return torch.cat([_rows(each) for each in kept])

    def held_out(self, first_stage: FirstStage) -> Float[Tensor, "k d"]:
        """Of the validation split as the first stage gives it back."""
        size = len(self.source.split("validation"))
        facts = {"data": self.source.fingerprint, "split": "validation", "pictures": size}
        return _rows(self._kept("validation", {"reference": facts}, first_stage))

    def _kept(
        self, split: str, facts: Mapping[str, Any], first_stage: FirstStage | None = None, *, held: bool = True
    ) -> Statistics:
        pictures = self.source.split(split)
        places = self.samples.reference(pictures) if split == "train" else range(len(pictures))

        def compute() -> Iterator[Float[Tensor, "_ d"]]:
            starts, size = range(0, len(places), self.batch_size), self.batch_size
            mirrored = facts["reference"].get("mirrored", False)
            batches = (pictures.oriented(places[start : start + size], mirrored=mirrored) for start in starts)
            if first_stage is not None:
                batches = (reconstruct(first_stage, batch) for batch in batches)
            for batch in progress(batches, len(places), size, "features of real pictures"):
                yield features(self.extractor, [batch])

        if first_stage is not None:
            facts = {**facts, "through": first_stage.spec.hash}
        return kept_statistics(self.cache, {"extractor": self.extractor.protocol, **facts}, compute, features=held)


def _rows(statistics: Statistics) -> Float[Tensor, "n d"]:
    assert statistics.features is not None  # of a file that was written with them
    return statistics.features
