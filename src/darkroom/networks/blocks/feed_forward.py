"""The per-token networks of a transformer block."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class SwiGLU(nn.Module):
    """W3(silu(W1 x) * W2 x) (Shazeer 2020), 2/3 ``ratio`` times as wide inside, rounded up to a multiple of 8."""

    def __init__(self, width: int, ratio: float = 4.0):
        super().__init__()
        hidden = -(-int(width * ratio * 2 / 3) // 8) * 8
        self.gate_and_value = nn.Linear(width, 2 * hidden)
        self.out = nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        gate, value = self.gate_and_value(x).chunk(2, dim=-1)
        return self.out(F.silu(gate) * value)
