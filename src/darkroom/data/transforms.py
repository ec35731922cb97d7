"""From a decoded picture to the square that training sees."""

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from PIL import Image
from torch import Tensor

from darkroom.keys import keys


def square(image: Image.Image, resolution: int) -> UInt8[Tensor, "c H W"]:
    """The centre square of ``image``, scaled to ``resolution``: Pillow's bicubic, antialiased when it shrinks.

    Cropping first (offset ``(size - side) // 2`` of the longer side) and scaling then is scaling the shorter side and
    cropping then, but for half a pixel of rounding, and costs nothing on the part that is thrown away. ``c`` is the
    number of the picture's channels: 3 for RGB, 1 for grey.
    """
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    scaled = np.array(image.resize((resolution, resolution), Image.Resampling.BICUBIC, box=box))
    return torch.from_numpy(np.atleast_3d(scaled)).permute(2, 0, 1).contiguous()


def mirrored(index: Int64[Tensor, " b"], epoch: Int64[Tensor, " b"], *, seed: int) -> Bool[Tensor, " b"]:
    """Which visits see their picture mirrored: half of them, by (seed, "flip", epoch, index)."""
    answer = torch.zeros(len(index), dtype=torch.bool)
    for number in epoch.unique().tolist():
        rows = epoch == number
        answer[rows] = keys(seed=seed, purpose="flip", step=number, places=index[rows]).bernoulli(0.5)
    return answer
