"""Features by which FID, KID and the Inception score are defined."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from darkroom.metrics.extractor import ASKED, Asked
from darkroom.metrics.preparation import tensorflow_bilinear
from darkroom.metrics.weights_file import fill
from darkroom.networks.pretrained.inception import Inception

_SIZE = 299
_DEFINED = ("kid", "kid_full", "inception_score")  # by these features and no others, as FID is
_TITLES = {"fd": "fid", "rfd": "rfid"} | {name: name for name in _DEFINED}


class InceptionExtractor(Asked):
    """The graph of 2015-12-05 with its own scaling: torch-fidelity's, and clean-fid's ``legacy_tensorflow``."""

    name = "inception"

    _network: Inception

    def __init__(self, *, weights: str) -> None:
        """Raises FileNotFoundError or ValueError in one line for a file that is not there, or of another network."""
        self.titles: Mapping[str, str] = _TITLES
        super().__init__(Inception())
        self.hash = fill(self._network, Path(weights), key="extractor.weights")

    def prepare(self, picture: UInt8[Tensor, "3 H W"]) -> Float[Tensor, "3 299 299"]:
        """The whole picture, squeezed into a square where it is none; in [-1, 1)."""
        return (tensorflow_bilinear(picture, _SIZE) - 128) / 128

    def logits(self, features: Float[Tensor, "n 2048"]) -> Float64[Tensor, "n 1008"]:
        """Of the graph's classes, from its features; in float64, where batches of any size round alike."""
        return self._network.logits(features.double())

    @property
    def protocol(self) -> dict[str, Any]:
        """What another extractor would have to share for its numbers to be these."""
        network = {"model": "Inception v3 of 2015-12-05", "weights": self.hash, "layer": "pool_3"}
        preparation = {"size": _SIZE, "resize": "TensorFlow 1 bilinear", "crop": "none", "scale": "(u8 - 128) / 128"}
        return {"name": self.name, **network, **preparation, **ASKED}
