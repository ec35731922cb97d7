"""How a picture is scaled for a network, where that is no library's own way (evaluation.md 2)."""

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor


def tensorflow_bilinear(picture: UInt8[Tensor, "3 H W"], size: int) -> Float[Tensor, "3 s s"]:
    """As TensorFlow 1 scales: pixel k of the new picture lies at k H / size of the old one, whose pixels begin at 0.

    So corners lie on corners at the left and at the top alone, and what shrinks is not smoothed. Float32 in 0..255, not
    rounded.
    """
    height, width = picture.shape[-2:]
    (top, bottom, down), (left, right, across) = _places(height, size), _places(width, size)
    old = picture.float()
    upper, lower = (_between(old[:, row][:, :, left], old[:, row][:, :, right], across) for row in (top, bottom))
    return _between(upper, lower, down[:, None])


def pillow(picture: UInt8[Tensor, "3 H W"]) -> Image.Image:
    """What the transforms of other libraries take."""
    return Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())


def _places(length: int, size: int) -> tuple[Tensor, Tensor, Float[Tensor, " s"]]:
    """The two old pixels that each new one lies between, and its share of the second."""
    place = torch.arange(size) * torch.tensor(length / size, dtype=torch.float32)  # in float32, as the graph has it
    before = place.long()
    return before, (before + 1).clamp(max=length - 1), place - before


def _between(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    return a + (b - a) * share  # Tensor.lerp rounds in another way
