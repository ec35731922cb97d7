"""What is said of a latent space is right where it can be worked out by hand."""

import math

import pytest
import torch

from darkroom.contracts import Posterior
from darkroom.keys import keys
from darkroom.metrics.latent_space import LatentSpace, effective_rank, largest_correlation


def drawn(*shape, n=64, purpose="latents"):
    return keys(seed=0, purpose=purpose, places=range(n)).normal(shape)


def of(mean, std=None, size=None):
    space = LatentSpace(*mean.shape[1:])
    std = torch.zeros_like(mean) if std is None else std
    for rows in torch.arange(len(mean)).split(size or len(mean)):
        space.update(Posterior(mean[rows], std[rows]))
    return space.compute()


def test_effective_rank_counts_directions_that_are_alike():
    for eigenvalues, rank in (((2, 2, 2, 2), 4), ((5, 0, 0), 1), ((4, 2, 2), 2**1.5)):  # the last has 1.5 bits
        assert effective_rank(torch.tensor(eigenvalues, dtype=torch.float64)) == pytest.approx(rank, abs=1e-12)


def test_a_channel_that_repeats_another_shows_in_rank_and_correlation():
    z = drawn(1, 8, 8)
    found = of(torch.cat([z, -z, drawn(1, 8, 8, purpose="other")], dim=1))
    assert found.largest_correlation == pytest.approx(1, abs=1e-9)
    assert found.eigenvalues[2] == pytest.approx(0, abs=1e-9)
    assert 1.7 < found.effective_rank < 2
    assert largest_correlation(torch.tensor([[4.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)) == 0.5


def test_covariance_and_spectrum_are_those_of_draws_from_the_posterior():
    mean, std = drawn(3, 4, 8, n=5) + 2, 0.3 * drawn(3, 4, 8, n=5, purpose="std").abs()
    found = of(mean, std, size=2)
    noise = keys(seed=0, purpose="draws", places=range(4000)).normal((5, 3, 4, 8))
    z = (mean + std * noise).flatten(0, 1).double()
    covariance = torch.cov(z.movedim(1, -1).flatten(0, 2).T)
    assert torch.allclose(found.eigenvalues, torch.linalg.eigvalsh(covariance).flip(0), rtol=1e-2)
    assert found.noise_share == pytest.approx(float(std.square().mean() * 3 / covariance.trace()), rel=1e-2)
    power = torch.fft.fft2(z - z.mean(dim=(0, 2, 3), keepdim=True)).abs().square().sum(dim=(0, 1))
    radius = [[math.hypot(min(i, 4 - i) / 2, min(j, 8 - j) / 4) for j in range(8)] for i in range(4)]
    high = power[torch.tensor(radius) >= 2 / 3].sum() / power.sum()
    assert found.high == pytest.approx(float(high), rel=1e-2)
    assert found.low + found.middle + found.high == pytest.approx(1, abs=1e-12)


def test_a_wave_lies_in_the_band_of_its_frequency():
    at = torch.arange(12)
    for cycles, band in ((1, "low"), (3, "middle"), (6, "high")):
        wave = torch.cos(2 * math.pi * cycles * at / 12).expand(1, 2, 12, 12)
        assert getattr(of(wave), band) == pytest.approx(1, abs=1e-9)


def test_white_latents_have_full_rank_and_power_by_the_number_of_frequencies():
    found = of(torch.zeros(2, 4, 8, 8), torch.ones(2, 4, 8, 8))
    assert (found.effective_rank, found.largest_correlation, found.noise_share) == pytest.approx((4, 0, 1))
    sides = [abs(k) / 4 for k in (0, 1, 2, 3, -4, -3, -2, -1)]
    low = sum(math.hypot(a, b) < 1 / 3 for a in sides for b in sides)
    assert found.low == pytest.approx(low / 64)


def test_a_constant_channel_correlates_with_nothing_and_constant_latents_are_refused():
    varied = torch.cat([drawn(1, 4, 4), torch.full((64, 1, 4, 4), 3.0)], dim=1)
    assert of(varied).largest_correlation == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="do not vary"):
        of(torch.full((4, 2, 4, 4), 7.0))
    with pytest.raises(ValueError, match="0 pictures do not vary"):
        LatentSpace(2, 4, 4).compute()
