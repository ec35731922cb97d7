"""The DiT against a second implementation, which is slow and reads like the formulas, and on what must hold at once."""

import math

import pytest
import torch
from torch import nn

from darkroom.conditioning.class_label import ClassLabel
from darkroom.contracts import Condition, ConditionSpec
from darkroom.keys import keys
from darkroom.networks.dit import DiT

TEXT = ConditionSpec(tokens=10, vector=6)
SIZES = {"s": (384, 12, 6), "b": (768, 12, 12), "l": (1024, 24, 16), "xl": (1152, 28, 16)}


def draws(purpose, *shape, dtype=torch.float32):
    return keys(seed=0, purpose=purpose, places=range(shape[0])).normal(shape[1:], dtype=dtype)


@torch.no_grad()
def filled(module: nn.Module, std: float = 0.3) -> nn.Module:
    """Weights of which none is zero, so that every part has its say."""
    for name, weight in module.named_parameters():
        weight.copy_(name.endswith("gain") + std * draws(name, 1, *weight.shape)[0])
    return module


def small(spec=TEXT, **settings):
    return DiT(3, spec, **{"width": 16, "depth": 2, "heads": 2, "patch": 2, **settings})


def condition(b=2, tokens=5):
    mask = torch.arange(tokens) < torch.tensor([[tokens], [2]])
    return Condition(tokens=draws("tokens", b, tokens, 10), mask=mask[:b], vector=draws("vector", b, 6))


def inputs(b=2, height=4, width=6):
    return draws("latent", b, 3, height, width), torch.tensor([3.0, 700.0])[:b]


# --- the second implementation: one picture, one head, one token at a time, in float64


def linear(weights, name, x):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def normed(weights, name, x):
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weights[f"{name}.gain"]


def silu(x):
    return x / (1 + torch.exp(-x))


def turned(x, place):
    """``x`` [d] turned by its ``place``, as complex numbers: half of them by the row, half by the column."""
    pairs = torch.view_as_complex(x.view(-1, 2).contiguous())
    quarter = len(x) // 4
    angles = [p * 10000 ** (-k / quarter) for p in place for k in range(quarter)]
    turns = torch.tensor([complex(math.cos(a), math.sin(a)) for a in angles], dtype=torch.complex128)
    return torch.view_as_real(pairs * turns).flatten()


def read(queries, keys_, values):
    """Softmax attention of lists of vectors."""
    answers = []
    for q in queries:
        scores = torch.stack([q @ k for k in keys_]) / math.sqrt(len(q))
        answers.append(sum(w * v for w, v in zip(scores.softmax(0), values, strict=True)))
    return answers


def by_heads(q, k, v, heads, prepare_q, prepare_k):
    """``q`` [n, d] reads ``k``, ``v`` [m, d], head by head."""
    parts = []
    for a, b, c in zip(*(x.chunk(heads, dim=-1) for x in (q, k, v)), strict=True):
        queries = [prepare_q(row, i) for i, row in enumerate(a)]
        parts.append(torch.stack(read(queries, [prepare_k(row, i) for i, row in enumerate(b)], list(c))))
    return torch.cat(parts, dim=-1)


def slow(network, x, time, tokens, vector, heads=2, patch=2):
    """``x`` [c, h, w] of one picture; ``tokens`` only those that count."""
    w = {name: value.double() for name, value in network.state_dict().items()}
    x, tokens, vector = x.double(), tokens.double(), vector.double()
    c, rows, columns = len(x), x.shape[1] // patch, x.shape[2] // patch
    places = [(r, s) for r in range(rows) for s in range(columns)]
    patches = [x[:, r * patch : (r + 1) * patch, s * patch : (s + 1) * patch] for r, s in places]
    h = linear(w, "patch_in", torch.stack([p.permute(1, 2, 0).flatten() for p in patches]))
    width = h.shape[-1]
    frequencies = 10000 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    h = h + torch.stack(
        [
            torch.cat([f for p in (s, r) for f in (torch.sin(p * frequencies), torch.cos(p * frequencies))])
            for r, s in places
        ]
    )

    angles = time.double() * 10000 ** (-torch.arange(128, dtype=torch.float64) / 128)
    embedded = linear(w, "time.layers.0", torch.cat([angles.cos(), angles.sin()]))
    c_ = silu(linear(w, "time.layers.2", silu(embedded)) + linear(w, "vector", vector))
    tokens = normed(w, "tokens_norm", tokens)
    modulation = linear(w, "modulation", c_).view(-1, 6, width)

    for i, (shift_1, scale_1, gate_1, shift_2, scale_2, gate_2) in enumerate(modulation):
        at = f"blocks.{i}"
        y = normed(w, f"{at}.attention_norm", h) * (1 + scale_1) + shift_1
        q, k, v = linear(w, f"{at}.attention.qkv", y).chunk(3, dim=-1)
        prepare = [
            lambda row, i, name=f"{at}.attention.{name}": turned(normed(w, name, row), places[i])
            for name in ("q_norm", "k_norm")
        ]
        h = h + gate_1 * linear(w, f"{at}.attention.out", by_heads(q, k, v, heads, *prepare))

        q = linear(w, f"{at}.context.q", normed(w, f"{at}.context_norm", h))
        k, v = linear(w, f"{at}.context.kv", tokens).chunk(2, dim=-1)
        prepare = [lambda row, _, name=f"{at}.context.{name}": normed(w, name, row) for name in ("q_norm", "k_norm")]
        h = h + linear(w, f"{at}.context.out", by_heads(q, k, v, heads, *prepare))

        y = normed(w, f"{at}.mlp_norm", h) * (1 + scale_2) + shift_2
        gate, value = linear(w, f"{at}.mlp.gate_and_value", y).chunk(2, dim=-1)
        h = h + gate_2 * linear(w, f"{at}.mlp.out", silu(gate) * value)

    shift, scale = linear(w, "modulation_out", c_).chunk(2)
    out = linear(w, "patch_out", normed(w, "norm", h) * (1 + scale) + shift)
    picture = torch.empty(c, rows * patch, columns * patch, dtype=torch.float64)
    for (r, s), row in zip(places, out, strict=True):
        block = row.view(patch, patch, c).permute(2, 0, 1)
        picture[:, r * patch : (r + 1) * patch, s * patch : (s + 1) * patch] = block
    return picture


def test_the_network_is_the_slow_one():
    network, (x, time), given = filled(small()), inputs(), condition()
    got = network(x, time, given)
    for i in range(len(x)):
        expected = slow(network, x[i], time[i], given.tokens[i][given.mask[i]], given.vector[i])
        torch.testing.assert_close(got[i].double(), expected, rtol=2e-5, atol=2e-5)
    assert got.abs().mean() > 0.1


# --- what holds at initialisation


@pytest.mark.parametrize("spec", [ConditionSpec(), ConditionSpec(vector=6), TEXT], ids=["none", "vector", "text"])
def test_a_new_network_answers_zero_and_every_block_is_the_identity(spec):
    network, (x, time) = small(spec), inputs()
    seen = []
    for block in network.blocks:
        block.register_forward_hook(lambda _, given, got: seen.append(torch.equal(given[0], got)))
    assert torch.equal(network(x, time, condition()), torch.zeros_like(x))
    assert seen == [True, True]


def test_a_new_network_learns_from_its_first_gradients_on():
    """Zero layers that shield each other would never move."""
    network, (x, time) = small(), inputs()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        (network(x, time, condition()) - x).square().mean().backward()
        optimizer.step()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


# --- conditions


def test_masked_tokens_have_no_influence():
    network, (x, time), given = filled(small()), inputs(), condition()
    hidden = ~given.mask[..., None]
    changed = Condition(torch.where(hidden, 100 * given.tokens - 7, given.tokens), given.mask, given.vector)
    assert torch.equal(network(x, time, given), network(x, time, changed))
    seen = Condition(torch.where(hidden, given.tokens, -given.tokens), given.mask, given.vector)
    assert not torch.allclose(network(x, time, given), network(x, time, seen))


@pytest.mark.parametrize("field", ["tokens", "vector"])
def test_each_field_of_the_condition_is_heard(field):
    network, (x, time), given = filled(small()), inputs(), condition()
    parts = {"tokens": given.tokens, "mask": given.mask, "vector": given.vector}
    other = Condition(**(parts | {field: parts[field].flip(-1)}))
    assert not torch.allclose(network(x, time, given), network(x, time, other))


def test_a_sample_does_not_see_its_neighbours():
    network, (x, time), given = filled(small()), inputs(), condition()
    alone = Condition(given.tokens[1:], given.mask[1:], given.vector[1:])
    torch.testing.assert_close(network(x, time, given)[1:], network(x[1:], time[1:], alone), rtol=1e-5, atol=1e-5)


# --- patches


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_patches_are_undone_exactly_and_come_row_by_row(patch):
    network = small(patch=patch)
    x = draws("latent", 2, 3, 8, 12)
    tokens = network._to_tokens(x)
    rows, columns = 8 // patch, 12 // patch
    assert torch.equal(network._to_grid(tokens, rows, columns), x)
    assert torch.equal(tokens[:, columns + 1, :3], x[:, :, patch, patch])  # second row, second column, upper left


def test_a_latent_in_channels_last_memory_is_the_same_latent():
    network, (x, time), given = filled(small()), inputs(), condition()
    assert torch.equal(network(x.to(memory_format=torch.channels_last), time, given), network(x, time, given))


def test_latents_that_the_patch_does_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"patch=2 of network .* does not divide latents of 4 x 5"):
        small()(draws("latent", 1, 3, 4, 5), torch.zeros(1), condition(1))


def test_what_a_dit_cannot_be_is_refused_by_name():
    with pytest.raises(ValueError, match=r"heads=3 must divide width=16"):
        small(heads=3)
    with pytest.raises(ValueError, match="not a spatial condition"):
        small(ConditionSpec(spatial=4))
    with pytest.raises(ValueError, match=r"depth=0 .* must be at least 1"):
        small(depth=0)
    with pytest.raises(ValueError, match=r"patch=0 must be at least 1"):
        small(patch=0)


# --- differentiation and precision


def test_a_network_that_was_first_used_without_gradients_still_trains():
    """Positions are cached: a first use in a validation must not leave tensors that autograd refuses."""
    network, time = filled(small()), torch.zeros(1)
    x = draws("latent", 1, 3, 14, 18)  # a size that no other test has asked for
    with torch.inference_mode():
        network(x, time, condition(1))
    network(x, time, condition(1)).sum().backward()


def test_forward_mode_derivatives_are_difference_quotients():
    network, (x, time), given = filled(small(), std=0.1), inputs(), condition()

    def call(x, time):
        return network(x, time, given)

    direction = draws("direction", *x.shape), torch.tensor([1.0, -2.0])
    _, got = torch.func.jvp(call, (x, time), direction)
    ahead, behind = (call(x + s * direction[0], time + s * direction[1]) for s in (1e-2, -1e-2))
    torch.testing.assert_close(got, (ahead - behind) / 2e-2, rtol=1e-3, atol=1e-3)
    assert got.abs().mean() > 0.1


def test_bf16_products_stay_near_float32_ones():
    network, (x, time), given = filled(small(), std=0.1), inputs(), condition()
    exact = network(x, time, given)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(x, time, given).float()
    assert ((rounded - exact).square().mean() / exact.square().mean()).sqrt() < 0.03


# --- sizes


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def meta(size, channels, spec, **settings):
    width, depth, heads = SIZES[size]
    with torch.device("meta"):
        return DiT(channels, spec, width=width, depth=depth, heads=heads, **settings)


@pytest.mark.parametrize(("size", "published"), [("s", 32.96), ("b", 130.5), ("l", 458.1), ("xl", 675.1)])
def test_sizes_are_those_of_dit_but_for_what_the_modern_block_changes(size, published):
    """DiT-x/2 of recipes.md section 9.3, rebuilt from ours part by part."""
    width, depth, heads = SIZES[size]
    ours = meta(size, 4, ConditionSpec(), patch=2)
    swiglu = count(ours.blocks[0].mlp)
    gelu = width * 4 * width + 4 * width + 4 * width * width + width
    gains = depth * (2 * width + 2 * (width // heads)) + width  # norms of DiT have no gain, queries and keys no norm
    learned_sigma = 4 * 2**2 * (width + 1)
    classes, places = 1001 * width, 256 * width
    rebuilt = count(ours) + depth * (gelu - swiglu) - gains + learned_sigma + classes + places
    assert rebuilt / 1e6 == pytest.approx(published, abs=0.05)


def test_xl_with_patches_of_one_is_lightning_dit_xl():
    """675.3 M of recipes.md section 9.4; ours reads the class through one more layer and norms queries and keys."""
    width, depth, heads = SIZES["xl"]
    ours = meta("xl", 32, ConditionSpec(vector=width), patch=1)
    with torch.device("meta"):
        classes = ClassLabel(1000, width)
    added = width * (width + 1) + depth * 2 * (width // heads)
    fixed_places = 256 * width  # not trained, but counted by the paper's code
    assert count(ours) + count(classes) - added + fixed_places == pytest.approx(675.3e6, abs=0.05e6)
