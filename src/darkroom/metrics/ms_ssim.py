"""Structural similarity at five scales (Wang, Simoncelli and Bovik 2003), as evaluation.md 5 has it."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from darkroom.metrics.paired import similarity_maps

_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first; from their experiment
LEAST_SIDE = 161  # pixels of a side: halved four times, 11 are left, which is the window
_CHUNK = 8  # pictures whose maps are in memory at once; they are larger than SSIM's may be


def ms_ssim(picture: UInt8[Tensor, "b 3 H W"], reconstruction: UInt8[Tensor, "b 3 H W"]) -> Float[Tensor, " b"]:
    """The product over scales of structure, and of SSIM at the coarsest, per channel, then the mean over channels.

    In float64, over the places where the window fits; a negative mean counts as 0, which has no root. Of an odd side
    the last row stays alone when sides are halved. Raises ValueError for sides of 160 pixels or less: fewer scales
    would be another metric.
    """
    if min(picture.shape[-2:]) < LEAST_SIDE:
        size = "x".join(map(str, picture.shape[-2:]))
        raise ValueError(
            f"MS-SSIM wants pictures of more than 160 pixels a side, not {size}; leave it out, or take SSIM"
        )
    chunks = zip(picture.split(_CHUNK), reconstruction.split(_CHUNK), strict=True)
    return torch.cat([_ms_ssim(x.double() / 255, y.double() / 255) for x, y in chunks])


def _ms_ssim(x: Float[Tensor, "b 3 H W"], y: Float[Tensor, "b 3 H W"]) -> Float[Tensor, " b"]:
    product = torch.ones(x.shape[:2], dtype=x.dtype, device=x.device)
    for scale, exponent in enumerate(_EXPONENTS):
        x, y = (_halved(x), _halved(y)) if scale else (x, y)
        similarity, structure = similarity_maps(x, y)
        term = similarity if scale == len(_EXPONENTS) - 1 else structure
        product = product * term.mean(dim=(2, 3)).clamp(min=0) ** exponent
    return product.mean(dim=1)


def _halved(x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b 3 h w"]:
    return F.avg_pool2d(x, 2, ceil_mode=True)
