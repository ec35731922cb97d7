"""Features of folders of pictures, on several devices at once: those that one device gives."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from darkroom.build import build
from darkroom.commands.console import progress
from darkroom.commands.helpers import Answering, Helper, helping, in_turn
from darkroom.commands.load import device
from darkroom.data.plain_folder import PlainFolder, prepared
from darkroom.metrics.extractor import MICRO_BATCH, FeatureExtractor

_BATCH = 8 * MICRO_BATCH  # pictures in the memory of a process at once; whole micro-batches, wherever they go


@runtime_checkable
class Spatial(Protocol):
    """An extractor with a second one beside it, of the same network, for features by which sFID is defined."""

    @property
    def spatial(self) -> FeatureExtractor: ...


@dataclass(frozen=True)
class FolderFeatures:
    """By one extractor, or the spatial one beside it; ``helpers`` have it too."""

    asked: FeatureExtractor
    helpers: Sequence[Helper] = ()
    is_spatial: bool = False

    @property
    def extractor(self) -> FeatureExtractor:
        return _chosen(self.asked, self.is_spatial)

    @property
    def spatial(self) -> "FolderFeatures | None":
        """Those for sFID, where the extractor has them; they look at the pictures once more."""
        return replace(self, is_spatial=True) if isinstance(self.asked, Spatial) else None

    def __call__(self, folder: PlainFolder, name: str) -> Iterable[Float[Tensor, "_ d"]]:
        """Float32 features of all pictures, in the order of their names, a batch at a time.

        Raises ValueError with pictures of a batch that cannot be read.
        """
        starts = range(0, len(folder), _BATCH)
        jobs = ((folder.root, folder.names[start : start + _BATCH], self.is_spatial) for start in starts)
        batches = in_turn(self.helpers, jobs, partial(_features, self.asked))
        return progress(batches, len(folder), _BATCH, f"{name}: {'spatial ' if self.is_spatial else ''}features")


@contextmanager
def folder_features(config: DictConfig) -> Iterator[FolderFeatures]:
    """By the command line's extractor, on ``config.devices``."""
    with helping(config) as helpers:
        plain = OmegaConf.to_container(config.extractor, resolve=True)
        for helper in helpers:
            helper.learn(partial(_featuring, plain))
        yield FolderFeatures(build(config.extractor).to(device()), helpers)


def _featuring(plain: Any) -> Answering:
    return partial(_features, build(plain).to(device()))


def _features(asked: FeatureExtractor, root: Path, names: Sequence[str], is_spatial: bool) -> Float[Tensor, "b d"]:
    extractor = _chosen(asked, is_spatial)
    return extractor(prepared(root, names, extractor.prepare))


def _chosen(asked: FeatureExtractor, is_spatial: bool) -> FeatureExtractor:
    if not is_spatial:
        return asked
    assert isinstance(asked, Spatial)
    return asked.spatial
