"""LPIPS between a picture and its reconstruction: how different a network finds them (Zhang et al. 2018)."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from darkroom.contracts import to_float
from darkroom.metrics.extractor import ASKED
from darkroom.metrics.inference import exact_float32, micro_batches
from darkroom.metrics.weights_file import fill
from darkroom.networks.pretrained.perceptual import PerceptualDistance

MICRO_BATCH = 8  # pairs at once, always; as large as VGG's maps of 256 x 256 pictures leave room for
_SMALLEST = 32  # pixels of a side: below, the deepest maps of a trunk have no place left


class LPIPS:
    """A frozen perceptual distance with its weights; of no parameters of a model that holds it, and in no checkpoint.

    Args:
        name: of its numbers, with the trunk's: those of different trunks are on different scales.
        network: the distance, untrained.
        weights: a file of the trunk, safetensors or torchvision's own.
        linear: a file of the weights that were learnt on top of it, safetensors or the package's own.

    Raises FileNotFoundError or ValueError in one line for files that are not there, or of another network.
    """

    def __init__(self, *, name: str, network: PerceptualDistance, weights: str, linear: str) -> None:
        self.name = name
        self._network = network.eval().requires_grad_(False)
        self._hashes = {
            "weights": fill(network.trunk, Path(weights), key="perceptual.weights"),
            "linear": fill(network.linear, Path(linear), key="perceptual.linear"),
        }

    def __call__(
        self, picture: UInt8[Tensor, "b 3 H W"], reconstruction: UInt8[Tensor, "b 3 H W"]
    ) -> Float[Tensor, " b"]:
        """The distance of each pair, float32, computed where the pictures lie; the same whatever comes beside it.

        Raises ValueError for sides under 32 pixels and where a distance is not finite.
        """
        if min(picture.shape[-2:]) < _SMALLEST:
            size = "x".join(map(str, picture.shape[-2:]))
            raise ValueError(
                f"LPIPS wants pictures of at least {_SMALLEST} x {_SMALLEST} pixels, not {size}; leave it out"
            )
        self._network.to(picture.device)
        pairs = torch.stack([picture, reconstruction], dim=1)
        with exact_float32(picture.device):
            values = torch.cat([self._of_pairs(rows)[:kept] for rows, kept in micro_batches(pairs, MICRO_BATCH)])
        if not bool(values.isfinite().all()):
            raise ValueError(
                f"{self.name}: {int((~values.isfinite()).sum())} of {len(values)} distances are not finite"
            )
        return values

    def _of_pairs(self, pairs: UInt8[Tensor, "b 2 3 H W"]) -> Float[Tensor, " b"]:
        scaled = to_float(pairs)
        return self._network(scaled[:, 0], scaled[:, 1])

    @property
    def protocol(self) -> dict[str, Any]:
        """What another LPIPS would have to share for its numbers to be these."""
        trunk = self._network.trunk
        network = {"model": trunk.model, "taps": list(trunk.taps)}
        own = {"version": "0.1", "resize": "none", "micro_batch": MICRO_BATCH}
        return {"name": self.name, **network, **self._hashes, **ASKED, **own}
