import pytest
import torch
import torch.nn.functional as F

from darkroom.keys import keys
from darkroom.networks.blocks import attention as module
from darkroom.networks.blocks.attention import attention, attention_bias, merge_heads, split_heads


def draws(purpose, *shape, dtype=torch.float32):
    return keys(seed=0, purpose=purpose, places=range(shape[0])).normal(shape[1:], dtype=dtype)


def qkv(queries=5, present=7, dtype=torch.float32):
    return draws("q", 2, 3, queries, 8, dtype=dtype), *(draws(p, 2, 3, present, 8, dtype=dtype) for p in "kv")


MASK = torch.tensor([[True] * 7, [True, False, True, True, False, False, True]])


@pytest.mark.parametrize("bias", [None, attention_bias(MASK)], ids=["all", "masked"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.bfloat16, 2e-2)])
def test_the_written_out_products_are_the_fused_kernel(monkeypatch, bias, dtype, tolerance):
    parts = qkv(dtype=dtype)
    written = attention(*parts, bias)
    monkeypatch.setattr(module, "WRITTEN_OUT_KEYS", 0)
    fused = attention(*parts, bias)
    assert written.dtype == fused.dtype == dtype
    assert not torch.equal(written, fused)  # two kernels were compared
    torch.testing.assert_close(written, fused, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kernel", ["written", "fused"])
def test_a_masked_key_has_no_influence_at_all(monkeypatch, kernel):
    monkeypatch.setattr(module, "WRITTEN_OUT_KEYS", 128 if kernel == "written" else 0)
    q, k, v = qkv()
    changed = torch.where(MASK[:, None, :, None], v, 1e3), torch.where(MASK[:, None, :, None], k, -50.0)
    bias = attention_bias(MASK)
    assert torch.equal(attention(q, k, v, bias), attention(q, changed[1], changed[0], bias))


def test_attention_is_the_weighted_mean_of_its_definition():
    q, k, v = qkv(dtype=torch.float64)
    weights = torch.einsum("bhnd,bhmd->bhnm", q, k).div(8**0.5).exp()
    expected = torch.einsum("bhnm,bhmd->bhnd", weights / weights.sum(-1, keepdim=True), v)
    torch.testing.assert_close(attention(q, k, v), expected, rtol=1e-6, atol=1e-6)  # the softmax is in float32


@pytest.mark.parametrize("limit", [128, 0], ids=["few keys", "many keys"])
def test_the_forward_mode_derivative_is_the_difference_quotient(monkeypatch, limit):
    """Fused kernels have none, so that even where one would be chosen the products are written out."""
    monkeypatch.setattr(module, "WRITTEN_OUT_KEYS", limit)
    q, k, v = qkv()
    directions = tuple(draws(f"d{part}", *x.shape) for part, x in zip("qkv", (q, k, v), strict=True))
    _, derivative = torch.func.jvp(attention, (q, k, v), directions)
    ahead, behind = (
        F.scaled_dot_product_attention(
            *(x.double() + s * d.double() for x, d in zip((q, k, v), directions, strict=True))
        )
        for s in (1e-5, -1e-5)
    )
    torch.testing.assert_close(derivative.double(), (ahead - behind) / 2e-5, rtol=1e-4, atol=1e-5)


def test_heads_are_consecutive_slices_and_merging_undoes_splitting():
    x = draws("x", 2, 5, 3 * 12)
    q, k, v = split_heads(x, 3, heads=3)
    assert torch.equal(k[:, 1], x[..., 12 + 4 : 12 + 8])
    assert torch.equal(torch.cat([merge_heads(part) for part in (q, k, v)], dim=-1), x)
