"""A DiT between convolutions: tokens decide what is where, convolutions at the latent's own resolution draw it.

A token of a plain DiT stands for a square of latents, and has to learn every shape at every offset within it.
Convolutions before and after, around which a skip leads, know offsets by their nature (as in hourglass transformers and
U-ViT, Bao et al. 2022). Axes: b batch, c channels, l local width, h w latent sides.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darkroom.contracts import Condition, ConditionSpec
from darkroom.networks.blocks.embedding import TimeEmbedding
from darkroom.networks.dit import DiT

_GROUPS = 8


class LocalBlock(nn.Module):
    """x plus two convolutions of it, between which noise level and condition move and stretch."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = nn.Linear(width, 2 * channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Float[Tensor, "b l h w"], c: Float[Tensor, "b d"]) -> Float[Tensor, "b l h w"]:
        scale, shift = self.modulation(c)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm(x)))
        return x + self.conv2(F.silu(h * (1 + scale) + shift))


class LocalDiT(nn.Module):
    """Predicts a process's target for latents ``[b c h w]``; h and w are multiples of ``patch``.

    Args:
        channels, condition, width, depth, heads, patch, mlp_ratio: as :class:`~darkroom.networks.dit.DiT`'s.
        local_width: channels of the convolutions, a multiple of 8.
        local_blocks: residual blocks before the DiT, and after it.
    """

    def __init__(
        self,
        channels: int,
        condition: ConditionSpec,
        *,
        width: int = 384,
        depth: int = 12,
        heads: int = 6,
        patch: int = 2,
        mlp_ratio: float = 4.0,
        local_width: int = 64,
        local_blocks: int = 2,
    ):
        super().__init__()
        if local_width % _GROUPS:
            raise ValueError(f"network.local_width={local_width} must be a multiple of {_GROUPS}")
        self.time = TimeEmbedding(width)
        self.vector = nn.Linear(condition.vector, width) if condition.vector else None
        self.conv_in = nn.Conv2d(channels, local_width, 3, padding=1)
        self.before = nn.ModuleList(LocalBlock(local_width, width) for _ in range(local_blocks))
        self.dit = DiT(local_width, condition, width=width, depth=depth, heads=heads, patch=patch, mlp_ratio=mlp_ratio)
        self.after = nn.ModuleList(LocalBlock(local_width, width) for _ in range(local_blocks))
        self.norm = nn.GroupNorm(_GROUPS, local_width)
        self.conv_out = nn.Conv2d(local_width, channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def forward(
        self, x: Float[Tensor, "b c h w"], time: Float[Tensor, " b"], condition: Condition
    ) -> Float[Tensor, "b c h w"]:
        c = self.time(time)
        if self.vector is not None:
            c = c + self.vector(condition.vector)
        c = F.silu(c)
        h = self.conv_in(x)
        for block in self.before:
            h = block(h, c)
        h = h + self.dit(h, time, condition)
        for block in self.after:
            h = block(h, c)
        return self.conv_out(F.silu(self.norm(h)))
