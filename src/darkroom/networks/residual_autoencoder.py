"""A light convolutional autoencoder whose resampling begins as an average and a repetition: quick to train on a CPU.

Residual autoencoding (DC-AE, Chen et al. 2024): wherever shape or width changes, a rearrangement without weights runs
beside the convolution, down by averaging groups of channels, up by repeating them, where one number divides the other
and but for the decoder's last step. So the whole starts near a down-sampling and an up-sampling, and the convolutions
learn what is missing. Blocks have no norm; each begins near the identity, the weights of its second convolution at zero
(Fixup, Zhang et al. 2019). Level 0 is the finest, as in ``autoencoder.py``.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Block(nn.Module):
    """x plus two convolutions of it, at first the second one's bias alone."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class Down(nn.Module):
    """Folds squares of ``factor`` pixels into channels, then changes the width."""

    def __init__(self, in_channels: int, out_channels: int, factor: int):
        super().__init__()
        self.factor, self.out_channels = factor, out_channels
        self.conv = nn.Conv2d(in_channels * factor**2, out_channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        x = F.pixel_unshuffle(x, self.factor)
        return self.conv(x) + resized_channels(x, self.out_channels)


class Up(nn.Module):
    """Changes the width, then unfolds channels into squares of ``factor`` pixels."""

    def __init__(self, in_channels: int, out_channels: int, factor: int):
        super().__init__()
        self.factor, self.channels = factor, out_channels * factor**2
        self.conv = nn.Conv2d(in_channels, self.channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return F.pixel_shuffle(self.conv(x) + resized_channels(x, self.channels), self.factor)


class Encoder(nn.Module):
    """Picture in [-1, 1] to the numbers a bottleneck makes a latent of.

    Args:
        out_channels: 2 * latent channels under a Gaussian bottleneck.
        widths: channels of each level.
        blocks: residual blocks of each level.
        stem_factor: pixels folded into level 0 along a side; the others halve.
    """

    def __init__(self, *, out_channels: int, widths: Sequence[int], blocks: Sequence[int], stem_factor: int = 4):
        super().__init__()
        _check(widths, blocks, stem_factor)
        self.out_channels = out_channels
        self.factor = stem_factor * 2 ** (len(widths) - 1)
        layers: list[nn.Module] = []
        for level, (before, after) in enumerate(zip([3, *widths[:-1]], widths, strict=True)):
            layers.append(Down(before, after, 2 if level else stem_factor))
            layers += [Block(after) for _ in range(blocks[level])]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Conv2d(widths[-1], out_channels, 3, padding=1)
        self.to(memory_format=torch.channels_last)  # an eighth off a step on a CPU

    def forward(self, picture: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Sides are multiples of ``factor``."""
        x = self.layers(picture)
        return self.head(F.silu(x)) + resized_channels(x, self.out_channels)


class Decoder(nn.Module):
    """Latent to a picture about [-1, 1]; the arguments are :class:`Encoder`'s, level 0 comes last."""

    def __init__(self, *, latent_channels: int, widths: Sequence[int], blocks: Sequence[int], stem_factor: int = 4):
        super().__init__()
        _check(widths, blocks, stem_factor)
        self.latent_channels = latent_channels
        self.factor = stem_factor * 2 ** (len(widths) - 1)
        self.width = widths[-1]
        self.stem = nn.Conv2d(latent_channels, self.width, 3, padding=1)
        layers: list[nn.Module] = []
        for level in reversed(range(len(widths))):
            layers += [Block(widths[level]) for _ in range(blocks[level])]
            layers += [Up(widths[level], widths[level - 1], 2)] if level else []
        self.layers = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.SiLU(), nn.Conv2d(widths[0], 3 * stem_factor**2, 3, padding=1), nn.PixelShuffle(stem_factor)
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, latent: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]:
        return self.head(self.layers(self.stem(latent) + resized_channels(latent, self.width)))


def resized_channels(x: Float[Tensor, "b c h w"], channels: int) -> Float[Tensor, "b d h w"] | float:
    """As many channels by averaging or repeating neighbours; nothing (0) where neither number divides the other."""
    have = x.shape[1]
    if have % channels == 0:
        return x.unflatten(1, (channels, have // channels)).mean(2)
    return x.repeat_interleave(channels // have, dim=1) if channels % have == 0 else 0.0


def _check(widths: Sequence[int], blocks: Sequence[int], stem_factor: int) -> None:
    if not widths or len(widths) != len(blocks):
        raise ValueError(f"widths={list(widths)} and blocks={list(blocks)} want one number for each level")
    if stem_factor < 1:
        raise ValueError(f"stem_factor={stem_factor} must be at least 1")
