"""The first-order error of a Frechet distance beside a bootstrap, fresh sets of samples and a closed form."""

import pytest
import torch
from references import GENERATED, REFERENCE, feat

from darkroom.keys import keys
from darkroom.metrics.frechet import frechet_distance
from darkroom.metrics.frechet_error import (
    bootstrap_sd,
    bootstrap_sd_of_pairs,
    frechet_sd,
    frechet_sd_of_pairs,
)
from darkroom.metrics.moments import moments

KNOWN = moments(REFERENCE)
PAIRS = (0.8 * REFERENCE[:1500] + 0.3 * GENERATED, REFERENCE[:1500])  # of reconstructions and their originals


def sd(samples, reference):
    return frechet_sd(samples, moments(samples), reference)


def test_it_is_the_error_of_a_mean_and_a_deviation_where_there_is_one_feature():
    # (m - 0)^2 + (s - 1)^2 of N(m, s^2): var m = s^2 / n, var s = s^2 / 2n
    unit = torch.tensor([[-1.0], [1.0]]) * 0.5**0.5
    n, mean, deviation = 20000, 0.7, 1.6
    samples = mean + deviation * keys(seed=0, purpose="samples", places=range(n)).normal((1,))
    expected = deviation * (((2 * mean) ** 2 + (2 * (deviation - 1)) ** 2 / 2) / n) ** 0.5
    assert sd(samples, moments(unit)) == pytest.approx(expected, rel=0.05)


def test_it_is_a_bootstraps_and_that_of_fresh_samples():
    own = sd(GENERATED, KNOWN)
    assert own == pytest.approx(0.19887, abs=1e-4)  # evaluation.md 7: 0.2197 by a bootstrap, 0.2237 over fresh sets
    draws = [keys(seed=0, purpose="draw", step=k, places=range(1500)).integers(1500) for k in range(40)]
    bootstrap = torch.tensor([frechet_distance(moments(GENERATED[rows]), KNOWN) for rows in draws]).std()
    assert own == pytest.approx(float(bootstrap), rel=0.35)  # 40 draws know it to 11 %


def test_some_of_the_samples_tell_the_error_of_all():
    half = frechet_sd(GENERATED[::2], moments(GENERATED), KNOWN)
    assert half == pytest.approx(sd(GENERATED, KNOWN), rel=0.1)


def test_with_hardly_more_samples_than_features_it_still_is_that_of_fresh_samples():
    sets = [feat(1000 + seed, 100, 64, 1.05, 0.36, 0.6) for seed in range(30)]
    fresh = torch.tensor([frechet_distance(moments(each), KNOWN) for each in sets]).std()
    own = torch.tensor([sd(each, KNOWN) for each in sets[:10]]).mean()
    assert own == pytest.approx(float(fresh), rel=0.35)  # where a bootstrap finds twice as much


def test_a_reference_of_few_directions_has_one_and_too_few_samples_have_none():
    assert sd(GENERATED, moments(REFERENCE[:50])) > 0
    assert sd(GENERATED[:64], KNOWN) is None


def test_beside_a_reference_that_never_varies_it_is_that_of_squares():
    same = moments(REFERENCE[:1].repeat(5, 1))
    squares = (GENERATED.double() - same.mean).square().sum(dim=1)
    assert sd(GENERATED, same) == pytest.approx(float(squares.std()) / len(GENERATED) ** 0.5, rel=1e-9)


def test_of_fewer_samples_the_bootstrap_is_that_of_whole_distances():
    few = GENERATED[:40]
    draws = keys(seed=0, purpose="bootstrap", places=range(25)).integers(40, (40,))
    values = torch.tensor([frechet_distance(moments(few[rows]), KNOWN) for rows in draws])
    assert bootstrap_sd(few, KNOWN, draws=25) == pytest.approx(values.std().item(), rel=1e-6)


def sd_of_pairs(again, original):
    return frechet_sd_of_pairs(again, original, moments(again), moments(original))


def test_of_pairs_it_is_that_of_a_shift_and_a_stretch():
    # (b + (a - 1) m)^2 + (a - 1)^2 s^2 between x of N(m, s^2) and a x + b: far less than of sets that are independent
    n, a, b, deviation = 20000, 0.8, 0.1, 1.6
    original = deviation * keys(seed=0, purpose="samples", places=range(n)).normal((1,))
    expected = ((2 * b * (a - 1) * deviation) ** 2 + 2 * ((a - 1) * deviation) ** 4) ** 0.5 / n**0.5
    assert sd_of_pairs(a * original + b, original) == pytest.approx(expected, rel=0.05)


def test_of_pairs_it_is_that_over_fresh_pairs():
    sets = [pairs_of(seed, n=100, width=16) for seed in range(60)]
    fresh = torch.tensor([frechet_distance(*map(moments, each)) for each in sets]).std()
    own = torch.tensor([sd_of_pairs(*each) for each in sets[:20]]).mean()
    assert own == pytest.approx(float(fresh), rel=0.3)  # 60 sets know it to 9 %


def pairs_of(seed, n, width):
    original = feat(3000 + seed, n, width, 1.0, 0.3, 0.7)
    return 0.8 * original + feat(4000 + seed, n, width, 0.2, 0.1, 0.0), original


@pytest.mark.parametrize("m", [2, 40])
def test_the_bootstrap_of_pairs_is_that_of_whole_distances(m):
    again, original = (each[:m] for each in PAIRS)
    assert sd_of_pairs(again, original) is None  # fewer than features
    draws = keys(seed=0, purpose="bootstrap", places=range(25)).integers(m, (m,))
    values = torch.tensor([frechet_distance(moments(again[rows]), moments(original[rows])) for rows in draws])
    assert bootstrap_sd_of_pairs(again, original, draws=25) == pytest.approx(values.std().item(), rel=1e-6)


def test_a_feature_that_never_changes_changes_nothing():
    one = torch.ones(len(GENERATED), 1)
    wider = torch.cat([GENERATED, one], dim=1)
    reference = torch.cat(
        [REFERENCE, keys(seed=0, purpose="feature", places=range(len(REFERENCE))).normal((1,))], dim=1
    )
    assert sd(wider, moments(reference)) == pytest.approx(sd(GENERATED, KNOWN), rel=0.05)
