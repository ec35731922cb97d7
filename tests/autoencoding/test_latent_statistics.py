"""Latent statistics: the law of total variance, streams, processes."""

import pytest
import torch

from darkroom.autoencoding.latent_statistics import LatentStatistics
from darkroom.contracts import Posterior
from darkroom.keys import keys


def posterior(pictures: int, first: int = 0) -> Posterior:
    """Means about 5 with std 2 in every channel; posterior std 0.5, 1, 2 by channel."""
    draw = keys(seed=0, purpose="test", places=range(first, first + pictures)).normal((3, 4, 4))
    std = torch.tensor([0.5, 1.0, 2.0]).view(3, 1, 1).expand(pictures, 3, 4, 4)
    return Posterior(mean=5 + 2 * draw, std=std)


def test_they_are_those_of_draws_from_the_posterior():
    statistics = LatentStatistics(3)
    statistics.update(posterior(4000))
    draws = posterior(4000).sample(keys(seed=1, purpose="draw", places=range(4000))).double()
    torch.testing.assert_close(statistics.mean, draws.mean(dim=(0, 2, 3)), rtol=0, atol=0.05)
    torch.testing.assert_close(statistics.std, draws.std(dim=(0, 2, 3)), rtol=0.02, atol=0)
    expected = (4 + torch.tensor([0.5, 1.0, 2.0]).square()).sqrt()
    torch.testing.assert_close(statistics.std.float(), expected, rtol=0.02, atol=0)


def test_batches_and_processes_add_up_to_the_whole():
    whole, first, second = LatentStatistics(3), LatentStatistics(3), LatentStatistics(3)
    whole.update(posterior(10))
    first.update(posterior(3))
    first.update(posterior(3, first=3))
    second.update(posterior(4, first=6))
    others = iter([second.count, second.sums])
    first.reduce(lambda tensor: tensor + next(others))
    torch.testing.assert_close(first.mean, whole.mean)
    torch.testing.assert_close(first.std, whole.std)


def test_a_channel_that_never_varies_is_left_as_it_is():
    statistics = LatentStatistics(2)
    mean = torch.stack([torch.full((5, 2, 2), 0.1), torch.arange(20.0).view(5, 2, 2)], dim=1)
    statistics.update(Posterior(mean=mean, std=torch.zeros_like(mean)))
    assert statistics.std[0] == 1
    assert statistics.std[1].item() == pytest.approx(torch.arange(20.0).std(correction=0).item())


def test_statistics_of_nothing_are_refused():
    with pytest.raises(ValueError, match="saw no picture"):
        _ = LatentStatistics(2).mean
