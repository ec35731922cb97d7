"""A network framed by convolutions: its tokens decide what is where, convolutions at the latent's resolution draw it.

A token of a plain DiT stands for a square of latents, and has to learn every shape at every offset within it.
Convolutions before and after, around which a skip leads, know offsets by their nature (as in hourglass transformers and
U-ViT, Bao et al. 2022). Axes: b batch, c channels, l local width, h w latent sides.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darkroom.contracts import Condition, ConditionSpec
from darkroom.networks.blocks.embedding import TimeEmbedding

_GROUPS = 8


class LocalBlock(nn.Module):
    """x plus two convolutions of it, between which noise level and condition move and stretch."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = nn.Linear(width, 2 * channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        silence(self.conv2)

    def forward(self, x: Float[Tensor, "b l h w"], c: Float[Tensor, "b d"]) -> Float[Tensor, "b l h w"]:
        scale, shift = self.modulation(c)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm(x)))
        return x + self.conv2(F.silu(h * (1 + scale) + shift))


class Framed(nn.Module):
    """Predicts a process's target for latents ``[b c h w]``, by ``inner`` between convolutions.

    Args:
        channels: of the latent, in and out.
        condition: what the conditioner gives; the convolutions read its vector, ``inner`` all that it can.
        inner: a network but for its channels and condition, such as a DiT; it sees ``local_width`` channels.
        local_width: channels of the convolutions, a multiple of 8.
        local_blocks: residual blocks before ``inner``, and after it.
    """

    def __init__(
        self,
        channels: int,
        condition: ConditionSpec,
        *,
        inner: Callable[..., nn.Module],
        local_width: int = 64,
        local_blocks: int = 2,
    ):
        super().__init__()
        if local_width % _GROUPS:
            raise ValueError(f"network.local_width={local_width} must be a multiple of {_GROUPS}")
        width = 4 * local_width  # of the time embedding, as in the U-Nets of ADM
        self.time = TimeEmbedding(width)
        self.vector = nn.Linear(condition.vector, width) if condition.vector else None
        self.conv_in = nn.Conv2d(channels, local_width, 3, padding=1)
        self.before = nn.ModuleList(LocalBlock(local_width, width) for _ in range(local_blocks))
        self.inner = inner(channels=local_width, condition=condition)
        self.after = nn.ModuleList(LocalBlock(local_width, width) for _ in range(local_blocks))
        self.norm = nn.GroupNorm(_GROUPS, local_width)
        self.conv_out = nn.Conv2d(local_width, channels, 3, padding=1)
        silence(self.conv_out)
        self.to(memory_format=torch.channels_last)  # convolutions of these widths are a fifth quicker so on a CPU

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
        h = h + self.inner(h, time, condition)
        for block in self.after:
            h = block(h, c)
        return self.conv_out(F.silu(self.norm(h)))


def silence(layer: nn.Module) -> None:
    """Has a layer answer zero until it has learnt something."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
