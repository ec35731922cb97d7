"""Features by which FID, sFID, KID and the Inception score are defined."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from darkroom.metrics.extractor import ASKED, Asked, in_micro_batches
from darkroom.metrics.preparation import tensorflow_bilinear
from darkroom.metrics.weights_file import fill
from darkroom.networks.pretrained.inception import Inception

_SIZE = 299
_DEFINED = ("kid", "kid_full", "inception_score")  # by these features and no others, as FID is
_TITLES = {"fd": "fid", "rfd": "rfid"} | {name: name for name in _DEFINED}
KNOWN = "6726825d"  # how the sha256 of the graph's weights begins; their file is named after it
_log = logging.getLogger(__name__)


class InceptionExtractor(Asked):
    """The graph of 2015-12-05 with its own scaling: torch-fidelity's, and clean-fid's ``legacy_tensorflow``.

    Its numbers have the field's names, ``fid`` and so on, where the weights are the graph's own; by others, trained
    anew or converted, ``fd_inception`` and so on, and a warning says so.
    """

    name = "inception"

    _network: Inception

    def __init__(self, *, weights: str) -> None:
        """Raises FileNotFoundError or ValueError in one line for a file that is not there, or of another network."""
        super().__init__(Inception())
        self.hash = fill(self._network, Path(weights), key="extractor.weights")
        self.is_known = self.hash.startswith(KNOWN)
        self.titles: Mapping[str, str] = _TITLES if self.is_known else {}
        if not self.is_known:
            words = "its sha256 begins with %s and that of FID's network with %s: numbers are fd_inception, not fid"
            _log.warning(f"extractor.weights=%s: {words}", weights, self.hash[: len(KNOWN)], KNOWN)

    def prepare(self, picture: UInt8[Tensor, "3 H W"]) -> Float[Tensor, "3 299 299"]:
        """The whole picture, squeezed into a square where it is none; in [-1, 1)."""
        return (tensorflow_bilinear(picture, _SIZE) - 128) / 128

    def logits(self, features: Float[Tensor, "n 2048"]) -> Float64[Tensor, "n 1008"]:
        """Of the graph's classes, from its features; in float64, where batches of any size round alike."""
        return self._network.logits(features.double())

    @property
    def spatial(self) -> "InceptionSpatial":
        """The same network's features of sFID."""
        return InceptionSpatial(self)

    def spatial_features(self, prepared: Float[Tensor, "b 3 299 299"]) -> Float[Tensor, "b d"]:
        """Float32, on the CPU."""
        return in_micro_batches(self._network.spatial, prepared, self._device)

    @property
    def protocol(self) -> dict[str, Any]:
        """What another extractor would have to share for its numbers to be these."""
        network = {"model": "Inception v3 of 2015-12-05", "weights": self.hash, "layer": "pool_3"}
        preparation = {"size": _SIZE, "resize": "TensorFlow 1 bilinear", "crop": "none", "scale": "(u8 - 128) / 128"}
        return {"name": self.name, **network, **preparation, **ASKED}


class InceptionSpatial:
    """Features of which sFID is the Frechet distance (Nash et al. 2021), by the network of ``whole``."""

    name = "inception_spatial"

    def __init__(self, whole: InceptionExtractor) -> None:
        self.titles: Mapping[str, str] = {"fd": "sfid"} if whole.is_known else {}
        self._whole = whole

    def prepare(self, picture: UInt8[Tensor, "3 H W"]) -> Float[Tensor, "3 299 299"]:
        """As for all other features of the network."""
        return self._whole.prepare(picture)

    def __call__(self, prepared: Float[Tensor, "b 3 299 299"]) -> Float[Tensor, "b d"]:
        """Float32, on the CPU."""
        return self._whole.spatial_features(prepared)

    def to(self, device: torch.device) -> "InceptionSpatial":
        """Itself, computing on ``device``, as does ``whole`` from then on."""
        self._whole.to(device)
        return self

    @property
    def protocol(self) -> dict[str, Any]:
        """What another extractor would have to share for its numbers to be these."""
        return {**self._whole.protocol, "name": self.name, "layer": "mixed_6/conv, 7 channels"}
