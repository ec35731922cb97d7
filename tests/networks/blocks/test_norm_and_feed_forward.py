import pytest
import torch
from diffusers.models.activations import SwiGLU as Reference
from diffusers.models.normalization import RMSNorm as ReferenceNorm

from darkroom.keys import keys
from darkroom.networks.blocks.feed_forward import SwiGLU
from darkroom.networks.blocks.norm import RMSNorm, modulate

X = keys(seed=0, purpose="x", places=range(2)).normal((5, 12))


@torch.no_grad()
def test_rms_norm_is_that_of_diffusers_on_copied_gains():
    norm, reference = RMSNorm(12), ReferenceNorm(12, eps=1e-6)
    for gain in (norm.gain, reference.weight):
        gain.copy_(torch.linspace(0.5, 2, 12))
    torch.testing.assert_close(norm(3 * X + 1), reference(3 * X + 1))


def test_rms_norm_computes_in_float32():
    large = torch.full((1, 12), 300.0, dtype=torch.float16)  # whose square float16 cannot hold
    assert torch.equal(RMSNorm(12)(large), torch.ones(1, 12))


@torch.no_grad()
def test_swiglu_is_that_of_diffusers_on_copied_weights():
    module = SwiGLU(12, ratio=4.0)
    reference = Reference(12, module.out.in_features)
    for source, target in ((module.gate_and_value.weight, reference.proj.weight),):
        target.copy_(torch.cat(source.chunk(2)[::-1]))  # diffusers puts the value before the gate
    reference.proj.bias.copy_(torch.cat(module.gate_and_value.bias.chunk(2)[::-1]))
    torch.testing.assert_close(module(X), module.out(reference(X)))


@pytest.mark.parametrize(("width", "hidden"), [(768, 2048), (1024, 2736), (1152, 3072), (1280, 3416), (192, 512)])
def test_the_hidden_width_is_two_thirds_of_four_times_rounded_up_to_eight(width, hidden):
    with torch.device("meta"):
        assert SwiGLU(width).out.in_features == hidden


def test_modulation_moves_and_stretches_and_zeros_leave_alone():
    zero = torch.zeros(2, 1, 12)
    assert torch.equal(modulate(X, zero, zero), X)
    assert torch.equal(modulate(X, zero + 3, zero + 1), 2 * X + 3)
