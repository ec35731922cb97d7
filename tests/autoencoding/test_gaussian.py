"""The Gaussian bottleneck and its KL term, against closed forms and torch.distributions."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from darkroom.autoencoding.bottleneck.gaussian import Gaussian, kl_to_standard_normal
from darkroom.autoencoding.bottleneck.identity import Identity
from darkroom.autoencoding.loss.kl import KL
from darkroom.contracts import Posterior
from darkroom.keys import keys


def normal(*shape: int) -> torch.Tensor:
    return keys(seed=0, purpose="test", places=range(shape[0])).normal(shape[1:])


def test_the_halves_are_mean_and_log_variance():
    moments = normal(2, 6, 4, 5)
    posterior = Gaussian()(moments)
    torch.testing.assert_close(posterior.mean, moments[:, :3])
    torch.testing.assert_close(posterior.std.square(), moments[:, 3:].exp())


def test_log_variances_are_clipped_so_that_the_loss_and_its_gradient_stay_finite():
    moments = torch.tensor([-1e6, 1e6]).view(2, 1, 1, 1).repeat(1, 2, 1, 1).requires_grad_()
    posterior = Gaussian()(moments * torch.tensor([0.0, 1.0]).view(1, 2, 1, 1))
    torch.testing.assert_close(posterior.std.flatten().log() * 2, torch.tensor([-30.0, 20.0]))
    kl_to_standard_normal(posterior).sum().backward()
    assert moments.grad is not None and moments.grad.isfinite().all()


def test_low_precision_moments_give_a_float32_posterior():
    posterior = Gaussian()(normal(1, 4, 2, 2).bfloat16())
    assert posterior.mean.dtype == posterior.std.dtype == torch.float32


def test_kl_is_the_mean_over_elements_of_the_closed_form_and_zero_for_the_prior_only():
    posterior = Gaussian()(normal(3, 8, 4, 4))
    reference = kl_divergence(Normal(posterior.mean, posterior.std), Normal(0.0, 1.0)).mean(dim=(1, 2, 3))
    torch.testing.assert_close(kl_to_standard_normal(posterior), reference)
    assert (reference > 0).all()
    prior = Posterior(mean=torch.zeros(2, 4, 3, 3), std=torch.ones(2, 4, 3, 3))
    assert kl_to_standard_normal(prior).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("channels", "factor", "constant"), [(4, 8, 2.0833e-8), (3, 4, 6.25e-8), (16, 16, 2.0833e-8)])
@pytest.mark.parametrize("side", [32, 64])
def test_the_weight_of_the_sum_form_is_the_originals_for_every_crop(channels, factor, constant, side):
    posterior = Gaussian()(normal(2, 2 * channels, side // factor, side // factor))
    picture = torch.zeros(2, 3, side, side)
    ours = 1e-6 * KL(weight=1e-6, sum_form=True)(picture, picture, posterior)
    mean = KL(weight=1e-6)(picture, picture, posterior)
    assert ours.item() == pytest.approx(constant * mean.item(), rel=1e-3)


def test_an_odd_number_of_moments_is_refused():
    with pytest.raises(ValueError, match=r"encoder.out_channels=7 is odd"):
        Gaussian().latent_channels(7)


def test_without_a_bottleneck_a_draw_is_the_encoders_answer():
    latent = normal(2, 3, 4, 4)
    draw = Identity()(latent).sample(keys(seed=1, purpose="posterior", places=range(2)))
    assert torch.equal(draw, latent)
    assert Identity().latent_channels(3) == 3
