"""The convolutional encoder and decoder of latent diffusion (Rombach et al. 2022), from 0.5 M to 84 M parameters.

Level 0 is the finest. Level i is ``width * multipliers[i]`` channels wide, and every level but the last halves the
sides, so that a side shrinks by ``stem_factor * 2 ** (len(multipliers) - 1)``. Weights start as PyTorch's layers do;
nothing begins at zero. The names of the original hold: a 1x1 convolution ends the encoder and begins the decoder.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, silu

_NORM_EPS = 1e-6


class ResBlock(nn.Module):
    """Two normalised 3x3 convolutions around an identity, or around a 1x1 convolution where the width changes."""

    def __init__(self, in_channels: int, out_channels: int, norm_groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(norm_groups, in_channels, eps=_NORM_EPS)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(norm_groups, out_channels, eps=_NORM_EPS)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        hidden = self.conv1(silu(self.norm1(x)))
        return self.skip(x) + self.conv2(silu(self.norm2(hidden)))


class SpatialAttention(nn.Module):
    """One head over all places of the map: cost grows with the square of h * w."""

    def __init__(self, channels: int, norm_groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, channels, eps=_NORM_EPS)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        q, k, v = self.qkv(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=-1)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)  # [b, h * w, c]
        return x + self.proj(mixed.transpose(1, 2).reshape(x.shape))


class Downsample(nn.Module):
    """Halves the sides by a strided convolution that sees one column and row of zeros right and below."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        return self.conv(pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Doubles the sides by repetition, then smooths by a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        return self.conv(interpolate(x, scale_factor=2, mode="nearest"))


class Encoder(nn.Module):
    """Picture in [-1, 1] to the numbers a bottleneck makes a latent of."""

    def __init__(
        self,
        *,
        out_channels: int,  # 2 * latent channels under a Gaussian bottleneck: mean and log variance
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 4, 4),
        num_res_blocks: int = 2,  # a level
        attention_levels: Sequence[int] = (),  # levels with attention after each residual block
        mid_attention: bool = True,
        norm_groups: int = 32,
        stem_factor: int = 1,  # folds squares of so many pixels into channels before the first convolution
    ) -> None:
        super().__init__()
        _check(width, multipliers, num_res_blocks, attention_levels, norm_groups, stem_factor)
        self.out_channels = out_channels
        self.factor = stem_factor * 2 ** (len(multipliers) - 1)
        widths = [width * m for m in multipliers]
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(stem_factor), nn.Conv2d(3 * stem_factor**2, widths[0], 3, padding=1)
        )
        levels: list[nn.Module] = []
        for level, (before, after) in enumerate(zip([widths[0], *widths[:-1]], widths, strict=True)):
            levels += _level(before, after, num_res_blocks, norm_groups, level in attention_levels)
            levels += [Downsample(after)] if level < len(widths) - 1 else []
        self.levels = nn.Sequential(*levels)
        self.middle = nn.Sequential(*_middle(widths[-1], norm_groups, mid_attention))
        self.norm = nn.GroupNorm(norm_groups, widths[-1], eps=_NORM_EPS)
        self.head = nn.Conv2d(widths[-1], out_channels, 3, padding=1)
        self.to_moments = nn.Conv2d(out_channels, out_channels, 1)

    def forward(self, picture: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Sides are multiples of ``factor``."""
        x = self.middle(self.levels(self.stem(picture)))
        return self.to_moments(self.head(silu(self.norm(x))))


class Decoder(nn.Module):
    """Latent to a picture about [-1, 1]: no squashing, the caller clamps what it shows."""

    def __init__(
        self,
        *,
        latent_channels: int,
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 4, 4),
        num_res_blocks: int = 3,  # a level; the original gives the decoder one more than the encoder
        attention_levels: Sequence[int] = (),
        mid_attention: bool = True,
        norm_groups: int = 32,
        stem_factor: int = 1,
    ) -> None:
        super().__init__()
        _check(width, multipliers, num_res_blocks, attention_levels, norm_groups, stem_factor)
        self.latent_channels = latent_channels
        self.factor = stem_factor * 2 ** (len(multipliers) - 1)
        widths = [width * m for m in multipliers]
        self.from_latent = nn.Conv2d(latent_channels, latent_channels, 1)
        self.stem = nn.Conv2d(latent_channels, widths[-1], 3, padding=1)
        self.middle = nn.Sequential(*_middle(widths[-1], norm_groups, mid_attention))
        levels: list[nn.Module] = []
        for level, (before, after) in reversed(list(enumerate(zip([*widths[1:], widths[-1]], widths, strict=True)))):
            levels += _level(before, after, num_res_blocks, norm_groups, level in attention_levels)
            levels += [Upsample(after)] if level > 0 else []
        self.levels = nn.Sequential(*levels)
        self.norm = nn.GroupNorm(norm_groups, widths[0], eps=_NORM_EPS)
        self.head = nn.Sequential(nn.Conv2d(widths[0], 3 * stem_factor**2, 3, padding=1), nn.PixelShuffle(stem_factor))

    def forward(self, latent: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]:
        x = self.levels(self.middle(self.stem(self.from_latent(latent))))
        return self.head(silu(self.norm(x)))


def _level(before: int, after: int, num_res_blocks: int, norm_groups: int, attention: bool) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    for i in range(num_res_blocks):
        blocks.append(ResBlock(before if i == 0 else after, after, norm_groups))
        if attention:
            blocks.append(SpatialAttention(after, norm_groups))
    return blocks


def _middle(channels: int, norm_groups: int, attention: bool) -> list[nn.Module]:
    between = [SpatialAttention(channels, norm_groups)] if attention else []
    return [ResBlock(channels, channels, norm_groups), *between, ResBlock(channels, channels, norm_groups)]


def _check(
    width: int,
    multipliers: Sequence[int],
    num_res_blocks: int,
    attention_levels: Sequence[int],
    norm_groups: int,
    stem_factor: int,
) -> None:
    if not multipliers:
        raise ValueError("multipliers=[] has no level; give one number a level, such as [1, 2, 4]")
    least = {"num_res_blocks": num_res_blocks, "norm_groups": norm_groups, "stem_factor": stem_factor}
    if small := [f"{name}={value}" for name, value in least.items() if value < 1]:
        raise ValueError(f"{' and '.join(small)} must be at least 1")
    if wrong := [width * m for m in multipliers if (width * m) % norm_groups]:
        raise ValueError(f"norm_groups={norm_groups} does not divide the widths {wrong}; change width={width} or it")
    if wrong := [level for level in attention_levels if not 0 <= level < len(multipliers)]:
        raise ValueError(f"attention_levels={wrong} are not among the levels 0..{len(multipliers) - 1}")
