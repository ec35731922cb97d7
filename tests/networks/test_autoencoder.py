"""The convolutional encoder and decoder: counts, factors, and diffusers' AutoencoderKL on the same weights."""

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from darkroom.keys import keys
from darkroom.networks.autoencoder import Decoder, Encoder

SMALL = {"width": 8, "multipliers": (1, 2, 4), "norm_groups": 4}


def normal(*shape: int) -> torch.Tensor:
    return keys(seed=0, purpose="test", places=range(shape[0])).normal(shape[1:])


def named(module: torch.nn.Module, *types: str) -> list[torch.nn.Module]:
    """Sub-modules of the types so named, from the picture's side on."""
    return [m for m in module.modules() if type(m).__name__ in types]


def copy_blocks(theirs: torch.nn.Module, ours: torch.nn.Module) -> None:
    """Residual blocks, attentions and resamplers, in the order that both have."""
    for source, target in zip(named(theirs, "ResnetBlock2D"), named(ours, "ResBlock"), strict=True):
        for name in ("norm1", "conv1", "norm2", "conv2"):
            getattr(target, name).load_state_dict(getattr(source, name).state_dict())
        if source.conv_shortcut is not None:
            target.skip.load_state_dict(source.conv_shortcut.state_dict())
    for source, target in zip(named(theirs, "Attention"), named(ours, "SpatialAttention"), strict=True):
        linear = [source.to_q, source.to_k, source.to_v]
        target.norm.load_state_dict(source.group_norm.state_dict())
        target.qkv.weight.data.copy_(torch.cat([layer.weight for layer in linear])[:, :, None, None])
        target.qkv.bias.data.copy_(torch.cat([layer.bias for layer in linear]))
        target.proj.weight.data.copy_(source.to_out[0].weight[:, :, None, None])
        target.proj.bias.data.copy_(source.to_out[0].bias)
    resamplers = named(theirs, "Downsample2D", "Upsample2D"), named(ours, "Downsample", "Upsample")
    for source, target in zip(*resamplers, strict=True):
        target.conv.load_state_dict(source.conv.state_dict())


def copy_from_diffusers(theirs: AutoencoderKL, encoder: Encoder, decoder: Decoder) -> None:
    copy_blocks(theirs.encoder.down_blocks, encoder.levels)
    copy_blocks(theirs.encoder.mid_block, encoder.middle)
    copy_blocks(theirs.decoder.mid_block, decoder.middle)
    copy_blocks(theirs.decoder.up_blocks, decoder.levels)
    for target, source in [
        (encoder.stem[1], theirs.encoder.conv_in),
        (encoder.norm, theirs.encoder.conv_norm_out),
        (encoder.head, theirs.encoder.conv_out),
        (encoder.to_moments, theirs.quant_conv),
        (decoder.from_latent, theirs.post_quant_conv),
        (decoder.stem, theirs.decoder.conv_in),
        (decoder.norm, theirs.decoder.conv_norm_out),
        (decoder.head[0], theirs.decoder.conv_out),
    ]:
        target.load_state_dict(source.state_dict())


def test_answers_are_those_of_diffusers_on_the_same_weights():
    torch.manual_seed(0)
    theirs = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 3,
        up_block_types=["UpDecoderBlock2D"] * 3,
        block_out_channels=[8, 16, 32],
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=4,
    ).eval()
    encoder, decoder = Encoder(out_channels=8, **SMALL), Decoder(latent_channels=4, **SMALL)
    copy_from_diffusers(theirs, encoder, decoder)
    picture = normal(2, 3, 32, 24)
    with torch.no_grad():
        moments = encoder(picture)
        torch.testing.assert_close(moments, theirs.encode(picture).latent_dist.parameters, rtol=1e-4, atol=1e-5)
        latent = moments[:, :4]
        torch.testing.assert_close(decoder(latent), theirs.decode(latent).sample, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("stem_factor", "multipliers", "factor"), [(1, (1, 2), 2), (2, (1, 2, 2), 8), (4, (1, 1, 2), 16)]
)
def test_the_factor_is_how_much_a_side_shrinks_and_grows(stem_factor, multipliers, factor):
    arguments = {
        "width": 8,
        "multipliers": multipliers,
        "norm_groups": 4,
        "stem_factor": stem_factor,
        "num_res_blocks": 1,
    }
    encoder, decoder = Encoder(out_channels=6, **arguments), Decoder(latent_channels=3, **arguments)
    assert encoder.factor == decoder.factor == factor
    latent = encoder(normal(2, 3, 2 * factor, 3 * factor))
    assert latent.shape == (2, 6, 2, 3)
    assert decoder(latent[:, :3]).shape == (2, 3, 2 * factor, 3 * factor)


def test_attention_stands_after_every_residual_block_of_the_levels_named_and_in_the_middle():
    plain = Encoder(out_channels=2, mid_attention=False, **SMALL)
    middle = Encoder(out_channels=2, **SMALL)
    attending = Encoder(out_channels=2, attention_levels=(0, 2), **SMALL)
    assert [len(named(network, "SpatialAttention")) for network in (plain, middle, attending)] == [0, 1, 1 + 2 * 2]


def test_every_parameter_learns():
    encoder, decoder = Encoder(out_channels=8, **SMALL), Decoder(latent_channels=4, **SMALL)
    picture = normal(2, 3, 16, 16)
    (decoder(encoder(picture)[:, :4] + encoder(picture)[:, 4:]) - picture).square().mean().backward()
    dead = [name for m in (encoder, decoder) for name, p in m.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"norm_groups": 3}, "norm_groups=3 does not divide the widths"),
        ({"attention_levels": [3]}, "attention_levels=.3. are not among the levels 0..2"),
        ({"multipliers": []}, "multipliers="),
    ],
)
def test_arguments_that_cannot_be_are_named(wrong, message):
    for network in (Encoder, Decoder):
        channels = {"out_channels": 8} if network is Encoder else {"latent_channels": 4}
        with pytest.raises(ValueError, match=message):
            network(**channels, **{**SMALL, **wrong})
