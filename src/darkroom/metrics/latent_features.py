"""Features of a trained autoencoder, for a distance where no pretrained network is to be had: named as such."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from darkroom.contracts import FirstStage, to_float
from darkroom.data.transforms import square
from darkroom.metrics.extractor import ASKED, in_micro_batches
from darkroom.metrics.preparation import pillow

_PLACES = 8  # a side: larger latents are averaged over blocks, so that the covariance stays small


class LatentFeatures:
    """The first stage's normalised posterior means, a number for each channel and place: ``fd_autoencoder``.

    Numbers of two artifacts are not to be compared, and the protocol says which it was. Pixel diffusion, whose first
    stage has nothing inside, is measured in blocks of pixels: ``fd_pixels``.
    """

    def __init__(self, *, first_stage: FirstStage | None, resolution: int | None) -> None:
        """Raises ValueError where there is no first stage."""
        if first_stage is None or resolution is None:
            raise ValueError("extractor=first_stage: an autoencoder's own training has none yet; leave it out")
        self._first_stage, self._resolution = first_stage, resolution
        self._device = torch.device("cpu")
        self.name = "pixels" if first_stage.spec.hash == "identity" else "autoencoder"

    def prepare(self, picture: UInt8[Tensor, "3 H W"]) -> UInt8[Tensor, "3 s s"]:
        """The centre square in the resolution of the training."""
        return square(pillow(picture), self._resolution)

    def __call__(self, prepared: UInt8[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        """Float32, on the CPU."""
        return in_micro_batches(self._features, prepared, self._device)

    def to(self, device: torch.device) -> "LatentFeatures":
        """Itself, computing on ``device``."""
        self._device = device
        if isinstance(self._first_stage, nn.Module):
            self._first_stage.to(device)
        return self

    @property
    def protocol(self) -> dict[str, Any]:
        """What another extractor would have to share for its numbers to be these."""
        preparation = {"size": self._resolution, "resize": "Pillow bicubic, antialiased", "places": _PLACES}
        return {"name": self.name, "weights": self._first_stage.spec.hash, **preparation, **ASKED}

    def _features(self, rows: UInt8[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        mean = self._first_stage.encode(to_float(rows)).mean
        places = min(_PLACES, *mean.shape[-2:])
        return F.adaptive_avg_pool2d(mean, places).flatten(1)
