"""A light autoencoder begins as an average and a repetition."""

import pytest
import torch

from darkroom.keys import keys
from darkroom.networks.residual_autoencoder import Decoder, Down, Encoder, Up, resized_channels


def silenced(module: torch.nn.Module) -> torch.nn.Module:
    for layer in module.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
    return module


def picture(side: int = 16) -> torch.Tensor:
    return keys(seed=0, purpose="test", places=range(2)).normal((3, side, side))


def test_channels_are_averaged_down_and_repeated_up():
    x = torch.arange(6.0).view(1, 6, 1, 1)
    assert resized_channels(x, 2).flatten().tolist() == [1.0, 4.0]
    assert resized_channels(x, 12).flatten().tolist() == [float(i // 2) for i in range(12)]
    assert resized_channels(x, 4) == 0.0


def test_without_its_convolution_down_is_an_average_of_pixels():
    x = picture()
    assert torch.allclose(silenced(Down(3, 3, 2))(x), torch.nn.functional.avg_pool2d(x, 2), atol=1e-6)


def test_without_its_convolution_up_repeats_pixels():
    x = picture(4)
    assert torch.equal(silenced(Up(3, 3, 2))(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.parametrize(("widths", "stem_factor", "factor"), [((16,), 4, 4), ((16, 32), 4, 8), ((8, 16, 32), 2, 8)])
def test_a_picture_comes_back_in_its_size(widths, stem_factor, factor):
    shape = {"widths": widths, "blocks": [1] * len(widths), "stem_factor": stem_factor}
    encoder, decoder = Encoder(out_channels=8, **shape), Decoder(latent_channels=8, **shape)
    latent = encoder(picture(32))
    assert latent.shape == (2, 8, 32 // factor, 32 // factor)
    assert decoder(latent).shape == (2, 3, 32, 32)
    assert encoder.factor == decoder.factor == factor


def test_every_parameter_learns_after_one_step():
    encoder = Encoder(out_channels=4, widths=[8, 16], blocks=[1, 1], stem_factor=2)
    optimizer = torch.optim.SGD(encoder.parameters(), 0.1)
    for _ in range(2):  # a block's first convolution sees no gradient while its second is zero
        optimizer.zero_grad()
        encoder(picture()).square().sum().backward()
        optimizer.step()
    assert all(weight.grad.abs().sum() > 0 for weight in encoder.parameters())


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="widths"):
        Encoder(out_channels=4, widths=[8], blocks=[1, 1])
    with pytest.raises(ValueError, match="stem_factor=0"):
        Encoder(out_channels=4, widths=[8], blocks=[1], stem_factor=0)
