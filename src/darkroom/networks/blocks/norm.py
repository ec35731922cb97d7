"""Normalisation."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_EPS = 1e-6  # beside the mean square


class RMSNorm(nn.Module):
    """x / rms(x) * gain over the last axis, in float32 (Zhang and Sennrich 2019)."""

    def __init__(self, width: int):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return F.rms_norm(x.float(), self.gain.shape, self.gain, _EPS)


def modulate(
    x: Float[Tensor, "b n d"], shift: Float[Tensor, "b 1 d"], scale: Float[Tensor, "b 1 d"]
) -> Float[Tensor, "b n d"]:
    """adaLN: a condition moves and stretches what a norm has made even (DiT, Peebles and Xie 2022)."""
    return x * (1 + scale) + shift
