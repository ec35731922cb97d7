"""Attention over tokens: one place chooses the kernel."""

import math

import torch
import torch.autograd.forward_ad as forward_ad
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

# Up to this many keys two written-out products beat the CPU's fused kernel in bf16 (benchmarks/attention.py): a
# training step took 0.1 to 0.6 of its time, and 1.4 of it at 256 keys. In float32 the two are about as quick.
WRITTEN_OUT_KEYS = 128


def attention(
    q: Float[Tensor, "b heads n d"],
    k: Float[Tensor, "b heads m d"],
    v: Float[Tensor, "b heads m d"],
    bias: Float[Tensor, "b 1 1 m"] | None = None,
) -> Float[Tensor, "b heads n d"]:
    """softmax(q k' / sqrt(d) + bias) v, the softmax in float32.

    Written out as two products for few keys on a CPU, and wherever a forward-mode derivative is taken, since fused
    kernels have none.
    """
    few = q.device.type == "cpu" and k.shape[-2] <= WRITTEN_OUT_KEYS
    if few or any(forward_ad.unpack_dual(part).tangent is not None for part in (q, k, v)):
        scores = (q * (1 / math.sqrt(q.shape[-1]))) @ k.transpose(-2, -1)
        scores = scores.float() if bias is None else scores.float() + bias
        return scores.softmax(-1).to(v.dtype) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=None if bias is None else bias.to(q.dtype))


def attention_bias(mask: Bool[Tensor, "b m"]) -> Float[Tensor, "b 1 1 m"]:
    """The additive form of a mask that is true where a key counts."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, -1e4)[:, None, None, :]


def split_heads(x: Float[Tensor, "b n d"], parts: int, heads: int) -> tuple[Float[Tensor, "b heads n e"], ...]:
    """One projection's output as ``parts`` (queries, keys, values) of ``heads`` heads each."""
    return x.unflatten(-1, (parts, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)


def merge_heads(x: Float[Tensor, "b heads n e"]) -> Float[Tensor, "b n d"]:
    """The heads of every token side by side again."""
    return x.transpose(1, 2).flatten(-2)
