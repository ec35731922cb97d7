"""A picture against its reconstruction: PSNR and SSIM, one number a picture, then the plain mean (evaluation.md 5)."""

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from darkroom.contracts import to_float, to_uint8
from darkroom.metrics.means import Mean, MeanOverPictures, mean

_WINDOW, _SIGMA = 11, 1.5  # Wang et al. 2004
_C1, _C2 = 0.01**2, 0.03**2  # (K L)^2 with the data range L = 1
_CHUNK = 64  # pictures whose maps are in memory at once
SSIM_PROTOCOL = {"window": _WINDOW, "sigma": _SIGMA, "k": [0.01, 0.03], "border": "valid"}  # of :func:`ssim` by itself


def psnr(picture: UInt8[Tensor, "b 3 H W"], reconstruction: UInt8[Tensor, "b 3 H W"]) -> Float[Tensor, " b"]:
    """10 log10(1 / MSE) in dB, the MSE over all channels and pixels of a picture; infinite for equal pictures."""
    difference = picture.to(torch.int32) - reconstruction.to(torch.int32)
    mse = difference.square().flatten(1).sum(dim=1).double() / (difference[0].numel() * 255.0**2)
    return -10 * torch.log10(mse)


def pooled_psnr(values: Float[Tensor, " n"]) -> Mean:
    """The PSNR of the mean MSE over pictures, from the PSNR of each; ``sd`` to first order.

    Larger errors weigh more than in the mean over pictures, and a picture without any error counts. Infinite where
    none has any.
    """
    mse = mean(10 ** (-values / 10))
    if mse.value == 0:
        return Mean(math.inf, None)
    return Mean(-10 * math.log10(mse.value), None if mse.sd is None else 10 / math.log(10) * mse.sd / mse.value)


def ssim(
    picture: UInt8[Tensor, "b 3 H W"],
    reconstruction: UInt8[Tensor, "b 3 H W"],
    border: Literal["valid", "reflect"] = "valid",
) -> Float[Tensor, " b"]:
    """Mean structural similarity (Wang et al. 2004): Gaussian 11 x 11 window, float64, per channel, population moments.

    ``border="valid"`` averages over the places where the window fits, ``"reflect"`` over all of them, as torchmetrics
    does. Raises ValueError for sides under 11.
    """
    if min(picture.shape[-2:]) < _WINDOW:
        size = "x".join(map(str, picture.shape[-2:]))
        raise ValueError(f"SSIM wants pictures of at least {_WINDOW} x {_WINDOW} pixels, not {size}; leave it out")
    chunks = zip(picture.split(_CHUNK), reconstruction.split(_CHUNK), strict=True)
    return torch.cat([_ssim(x.double() / 255, y.double() / 255, border) for x, y in chunks])


def _ssim(x: Float[Tensor, "b 3 H W"], y: Float[Tensor, "b 3 H W"], border: str) -> Float[Tensor, " b"]:
    if border == "reflect":
        x, y = (F.pad(each, (_WINDOW // 2,) * 4, mode="reflect") for each in (x, y))
    return similarity_maps(x, y).similarity.mean(dim=(1, 2, 3))


class SimilarityMaps(NamedTuple):
    """Of each channel at each place where the window fits."""

    similarity: Float[Tensor, "b 3 h w"]  # luminance times contrast and structure: SSIM
    structure: Float[Tensor, "b 3 h w"]  # contrast and structure alone


def similarity_maps(x: Float[Tensor, "b 3 H W"], y: Float[Tensor, "b 3 H W"]) -> SimilarityMaps:
    """Of pictures in 0..1 (Wang et al. 2004, equation 13 and its second factor)."""
    moments = _blur(torch.stack([x, y, x * x + y * y, x * y]))
    mean_x, mean_y, squares, product = moments  # Var x + Var y is all that is asked of the variances
    products = mean_x * mean_y
    sums = mean_x**2 + mean_y**2
    structure = (2 * (product - products) + _C2) / (squares - sums + _C2)
    return SimilarityMaps((2 * products + _C1) / (sums + _C1) * structure, structure)


def _blur(x: Float[Tensor, "*b H W"]) -> Float[Tensor, "*b h w"]:
    """Weighted means over the window where it fits: two products with banded matrices, one a side."""
    rows, columns = (_band(side, x) for side in x.shape[-2:])
    return rows @ x @ columns.T


def _band(side: int, like: Tensor) -> Float[Tensor, "out side"]:
    place = torch.arange(_WINDOW, dtype=like.dtype, device=like.device) - _WINDOW // 2
    weights = torch.exp(-(place**2) / (2 * _SIGMA**2))
    out = side - _WINDOW + 1
    band = torch.zeros(out, side, dtype=like.dtype, device=like.device)
    for shift, weight in enumerate(weights / weights.sum()):
        band.diagonal(shift)[:out] = weight
    return band


def bicubic_roundtrip(picture: UInt8[Tensor, "b 3 H W"], factor: int) -> UInt8[Tensor, "b 3 H W"]:
    """Down by ``factor`` with antialiasing and up again: what an autoencoder of that factor has to beat.

    The small picture is not rounded. Raises ValueError where the factor does not divide the sides.
    """
    height, width = picture.shape[-2:]
    if height % factor or width % factor:
        raise ValueError(f"factor={factor} does not divide the picture's {height} x {width} pixels")
    small = _bicubic(to_float(picture), (height // factor, width // factor))
    return to_uint8(_bicubic(small, (height, width)))


def _bicubic(x: Float[Tensor, "b 3 H W"], size: tuple[int, int]) -> Float[Tensor, "b 3 h w"]:
    """Pillow's cubic (a = -0.5) both ways; torch without ``antialias`` takes another (a = -0.75)."""
    return F.interpolate(x, size=size, mode="bicubic", antialias=True, align_corners=False)


class MeanPSNR(MeanOverPictures):
    """Mean of the finite PSNRs; ``identical`` counts the pictures that came back without any error."""

    identical: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("identical", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, picture: UInt8[Tensor, "b 3 H W"], reconstruction: UInt8[Tensor, "b 3 H W"]) -> None:
        """Adds pictures, 0..255."""
        values = psnr(picture, reconstruction)
        finite = values.isfinite()
        self.add(values[finite])
        self.identical += (~finite).sum()


class MeanSSIM(MeanOverPictures):
    """Mean SSIM; see :func:`ssim`."""

    def update(self, picture: UInt8[Tensor, "b 3 H W"], reconstruction: UInt8[Tensor, "b 3 H W"]) -> None:
        """Adds pictures, 0..255. Raises ValueError for sides under 11."""
        self.add(ssim(picture, reconstruction))
