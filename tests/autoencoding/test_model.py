"""The autoencoder as a module, and every file of conf/autoencoder."""

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from darkroom.autoencoding.bottleneck.gaussian import Gaussian
from darkroom.autoencoding.bottleneck.identity import Identity
from darkroom.autoencoding.model import Autoencoder
from darkroom.build import build
from darkroom.keys import keys
from darkroom.networks.autoencoder import Decoder, Encoder

CONF = Path(__file__).parents[2] / "conf" / "autoencoder"
SMALL = {"width": 8, "multipliers": (1, 2), "norm_groups": 4, "num_res_blocks": 1}
PUBLISHED = {"kl_f4": (55.31e6, 3, 4), "kl_f8": (83_653_863, 4, 8), "kl_f16": (69.61e6, 16, 16)}


def small() -> Autoencoder:
    return Autoencoder(
        encoder=Encoder(out_channels=6, **SMALL), bottleneck=Gaussian(), decoder=Decoder(latent_channels=3, **SMALL)
    )


def pictures(n: int, side: int = 16) -> torch.Tensor:
    return keys(seed=0, purpose="test", places=range(n)).uniform((3, side, side)) * 2 - 1


@pytest.mark.parametrize("name", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_every_option_builds_with_the_published_size_and_goes_there_and_back(name):
    with torch.device("meta"):
        model = build(OmegaConf.load(CONF / f"{name}.yaml"))
        picture = torch.zeros(2, 3, 64, 64)
        reconstruction, posterior = model(picture)
    assert reconstruction.shape == picture.shape
    side = 64 // model.factor
    assert posterior.mean.shape == posterior.std.shape == (2, model.latent_channels, side, side)
    if name in PUBLISHED:
        size, channels, factor = PUBLISHED[name]
        assert sum(p.numel() for p in model.parameters()) == pytest.approx(size, rel=1e-4)
        assert (model.latent_channels, model.factor) == (channels, factor)


def test_keys_draw_a_latent_for_each_picture_and_no_keys_take_the_mean():
    model, picture = small(), pictures(4)
    drawn = keys(seed=0, purpose="posterior", places=range(4))
    with torch.no_grad():
        sampled, posterior = model(picture, drawn)
        torch.testing.assert_close(sampled, model.decode(posterior.sample(drawn)))
        torch.testing.assert_close(model(picture)[0], model.decode(posterior.mean))
        torch.testing.assert_close(model(picture[:2], drawn[:2])[0], sampled[:2], rtol=1e-4, atol=1e-5)


def test_a_picture_that_does_not_divide_is_refused_with_the_factor():
    with pytest.raises(ValueError, match="15 x 15 does not divide by the autoencoder's factor 2"):
        small()(pictures(1, side=15))


def test_parts_that_do_not_fit_are_named():
    wide = Decoder(latent_channels=6, **SMALL)
    with pytest.raises(
        ValueError, match=r"decoder.latent_channels=6, but encoder.out_channels=6 through Gaussian makes 3"
    ):
        Autoencoder(encoder=Encoder(out_channels=6, **SMALL), bottleneck=Gaussian(), decoder=wide)
    Autoencoder(encoder=Encoder(out_channels=6, **SMALL), bottleneck=Identity(), decoder=wide)
    deep = Decoder(latent_channels=3, **{**SMALL, "multipliers": (1, 2, 2)})
    with pytest.raises(ValueError, match=r"shrinks by 2, autoencoder.decoder grows by 4"):
        Autoencoder(encoder=Encoder(out_channels=6, **SMALL), bottleneck=Gaussian(), decoder=deep)
