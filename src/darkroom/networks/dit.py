"""A diffusion transformer: DiT (Peebles and Xie 2022) with the modern block of recipes.md section 9.4.

RMSNorm, 2-D RoPE, QK-norm, SwiGLU and adaLN-zero; a vector condition joins the time embedding, tokens are read by
cross-attention. Axes: b batch, n image tokens, m condition tokens, d width.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darkroom.contracts import Condition, ConditionSpec
from darkroom.networks.blocks.attention import attention, attention_bias, merge_heads, split_heads
from darkroom.networks.blocks.embedding import TimeEmbedding, grid_sinusoid
from darkroom.networks.blocks.feed_forward import SwiGLU
from darkroom.networks.blocks.norm import RMSNorm, modulate
from darkroom.networks.blocks.rope import Rotation, rotate, rotation_2d


class SelfAttention(nn.Module):
    """Every image token reads every other; queries and keys are normalised, then turned by their place."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm = RMSNorm(width // heads)
        self.k_norm = RMSNorm(width // heads)
        self.out = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b n d"], rotation: Rotation) -> Float[Tensor, "b n d"]:
        q, k, v = split_heads(self.qkv(x), 3, self.heads)
        q = rotate(self.q_norm(q), rotation).to(v.dtype)
        k = rotate(self.k_norm(k), rotation).to(v.dtype)
        return self.out(merge_heads(attention(q, k, v)))


class CrossAttention(nn.Module):
    """Every image token reads the condition's tokens."""

    def __init__(self, width: int, context_width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(context_width, 2 * width)
        self.q_norm = RMSNorm(width // heads)
        self.k_norm = RMSNorm(width // heads)
        self.out = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b m e"], bias: Float[Tensor, "b 1 1 m"] | None
    ) -> Float[Tensor, "b n d"]:
        (q,) = split_heads(self.q(x), 1, self.heads)
        k, v = split_heads(self.kv(context), 2, self.heads)
        q, k = self.q_norm(q).to(v.dtype), self.k_norm(k).to(v.dtype)
        return self.out(merge_heads(attention(q, k, v, bias)))


class Block(nn.Module):
    """Self-attention, cross-attention where there are tokens to read, and a gated feed-forward network."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, context_width: int):
        super().__init__()
        self.attention_norm = RMSNorm(width)
        self.attention = SelfAttention(width, heads)
        if context_width:
            self.context_norm = RMSNorm(width)
            self.context = CrossAttention(width, context_width, heads)
        self.mlp_norm = RMSNorm(width)
        self.mlp = SwiGLU(width, mlp_ratio)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        modulation: Float[Tensor, "b 6 1 d"],
        rotation: Rotation,
        context: Float[Tensor, "b m e"] | None,
        bias: Float[Tensor, "b 1 1 m"] | None,
    ) -> Float[Tensor, "b n d"]:
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = modulation.unbind(1)
        x = x + gate_1 * self.attention(modulate(self.attention_norm(x), shift_1, scale_1), rotation)
        if context is not None:
            x = x + self.context(self.context_norm(x), context, bias)
        return x + gate_2 * self.mlp(modulate(self.mlp_norm(x), shift_2, scale_2))


class DiT(nn.Module):
    """Predicts a process's target for latents ``[b c h w]``; h and w are multiples of ``patch``.

    Args:
        channels: of the latent, in and out.
        condition: what the conditioner gives; ``tokens`` and ``vector`` are read, ``spatial`` is refused.
        width: of a token; ``heads`` divides it into head widths that are multiples of 4.
        depth: number of blocks.
        patch: side of the square of latents that one token stands for.
        mlp_ratio: hidden width of the feed-forward network as a multiple of ``width``, before SwiGLU's two thirds.
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
    ):
        super().__init__()
        if condition.spatial:
            raise ValueError("network: a DiT reads tokens and vectors, not a spatial condition")
        if heads < 1 or width % (4 * heads):
            raise ValueError(f"heads={heads} must divide width={width} into multiples of 4")
        if depth < 1 or patch < 1:
            raise ValueError(f"depth={depth} and patch={patch} must be at least 1")
        self.channels, self.patch, self.heads = channels, patch, heads
        self.patch_in = nn.Linear(channels * patch**2, width)
        self.time = TimeEmbedding(width)
        self.vector = nn.Linear(condition.vector, width) if condition.vector else None
        self.tokens_norm = RMSNorm(condition.tokens) if condition.tokens else None
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio, condition.tokens) for _ in range(depth))
        # The blocks' adaLN projections all read the same vector: one product in place of `depth` small ones.
        self.modulation = nn.Linear(width, depth * 6 * width)
        self.norm = RMSNorm(width)
        self.modulation_out = nn.Linear(width, 2 * width)
        self.patch_out = nn.Linear(width, channels * patch**2)
        self._initialise()

    def _initialise(self) -> None:
        """Xavier-uniform weights; every block starts as the identity and the output as zero (DiT, section 3.2)."""
        zero = [self.modulation, self.modulation_out, self.patch_out]
        times: list[nn.Linear] = []
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
            if isinstance(module, TimeEmbedding):
                times += [layer for layer in module.layers if isinstance(layer, nn.Linear)]
            if isinstance(module, CrossAttention):
                zero.append(module.out)
        for layer in times:
            nn.init.normal_(layer.weight, std=0.02)
        for layer in zero:
            nn.init.zeros_(layer.weight)

    def forward(
        self, x: Float[Tensor, "b c h w"], time: Float[Tensor, " b"], condition: Condition
    ) -> Float[Tensor, "b c h w"]:
        rows, columns = x.shape[-2] // self.patch, x.shape[-1] // self.patch
        width = self.patch_in.out_features
        rotation = rotation_2d(rows, columns, width // self.heads, x.device)
        h = self.patch_in(self._to_tokens(x)).float() + grid_sinusoid(rows, columns, width, x.device)

        c = self.time(time)
        if self.vector is not None:
            c = c + self.vector(condition.vector)
        c = F.silu(c)
        modulations = self.modulation(c).float().unflatten(-1, (len(self.blocks), 6, 1, -1)).unbind(1)

        tokens = bias = None
        if self.tokens_norm is not None:
            tokens = self.tokens_norm(condition.tokens)
            bias = None if condition.mask is None else attention_bias(condition.mask)
        for block, modulation in zip(self.blocks, modulations, strict=True):
            h = block(h, modulation, rotation, tokens, bias)

        shift, scale = self.modulation_out(c).float()[:, None].chunk(2, dim=-1)
        return self._to_grid(self.patch_out(modulate(self.norm(h), shift, scale)), rows, columns)

    def _to_tokens(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n e"]:
        b, c, h, w = x.shape
        p = self.patch
        if h % p or w % p:
            key = f"patch={p} of network (inside of a frame: network.inner)"
            raise ValueError(f"{key} does not divide latents of {h} x {w}")
        return x.view(b, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)

    def _to_grid(self, tokens: Float[Tensor, "b n e"], rows: int, columns: int) -> Float[Tensor, "b c h w"]:
        p = self.patch
        x = tokens.view(len(tokens), rows, columns, p, p, self.channels).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(len(tokens), self.channels, rows * p, columns * p)
