"""The Frechet distance against closed forms, published values and other packages' own code."""

import math

import numpy as np
import pytest
import torch
from references import GENERATED, REFERENCE, feat

from darkroom.metrics.frechet import frechet_distance
from darkroom.metrics.moments import Moments, MomentSums, moments


def gaussian(mean, covariance, n=10**6):
    return Moments(n, torch.tensor(mean).double(), torch.tensor(covariance).double())


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        (gaussian([1.0], [[4.0]]), gaussian([-0.5], [[0.25]]), 4.5),
        (gaussian([1.0, -2.0], [[2.0, 1.0], [1.0, 2.0]]), gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 3.0]]), 5.5166852265),
        (gaussian([0.0, 3.0], [[2.0, 1.0], [1.0, 2.0]]), gaussian([4.0, 0.0], [[2.0, 1.0], [1.0, 2.0]]), 25.0),
        (gaussian([0.0, 1.0], [[0.0, 0.0], [0.0, 0.0]]), gaussian([0.0, 0.0], [[2.0, 1.0], [1.0, 3.0]]), 6.0),
        (gaussian([0.0, 0.0], [[4.0, 0.0], [0.0, 0.0]]), gaussian([0.0, 0.0], [[0.0, 0.0], [0.0, 9.0]]), 13.0),
    ],
)
def test_gaussians_have_their_closed_form(a, b, distance):
    assert frechet_distance(a, b) == pytest.approx(distance, rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(distance, rel=1e-6)


def test_the_reference_value_to_all_its_digits():
    assert REFERENCE.double().sum().item() == pytest.approx(36183.755869, abs=1e-6)
    assert GENERATED.double().sum().item() == pytest.approx(34346.081534, abs=1e-6)
    a, b = moments(REFERENCE), moments(GENERATED)
    assert (a.mean - b.mean).square().sum().item() == pytest.approx(0.4562126, abs=1e-7)
    assert frechet_distance(a, b) == pytest.approx(2.1215037305, rel=1e-9)
    assert frechet_distance(moments(REFERENCE.flip(0)), b) == pytest.approx(2.1215037305, rel=1e-9)


def test_fewer_pictures_than_features_and_singular_covariances():
    x, y = feat(404, 100, 128, 1.0, 0.3, 0.7), feat(505, 90, 128, 1.05, 0.36, 0.6)
    assert frechet_distance(moments(x), moments(y)) == pytest.approx(91.4960866, rel=1e-6)
    assert abs(frechet_distance(moments(x), moments(x))) < 1e-4
    x[:, :16], y[:, 64:] = 0, 0
    assert frechet_distance(moments(x), moments(y)) == pytest.approx(161.3245052, rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(20, 90), (64, 64), (64, 65), (65, 64), (66, 200), (40, 30)])
def test_about_as_many_pictures_as_features_cost_no_digits(monkeypatch, n, m):
    """The root's trace of covariances is the sum of the singular values of the features' own product."""
    monkeypatch.setattr(torch.linalg, "eigh", lambda _: pytest.fail("eigenvectors are slower, and lose digits here"))
    x, y = REFERENCE[:n].double(), GENERATED[:m].double()
    a, b = ((rows - rows.mean(dim=0)) / math.sqrt(len(rows) - 1) for rows in (x, y))
    spread = a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum()
    exact = (x.mean(dim=0) - y.mean(dim=0)).square().sum() + spread
    assert frechet_distance(moments(x), moments(y)) == pytest.approx(exact.item(), rel=1e-10)
    assert frechet_distance(moments(y), moments(x)) == pytest.approx(exact.item(), rel=1e-10)


@pytest.mark.parametrize("n", [None, 1, 20, 10**6])
def test_a_file_that_tells_another_number_of_pictures_changes_nothing(n):
    a, b = moments(REFERENCE), moments(GENERATED)
    told = Moments(n, a.mean, a.covariance)
    assert frechet_distance(told, b) == pytest.approx(frechet_distance(a, b), rel=1e-9)


def test_a_column_that_never_changes_is_no_direction():
    a, b = REFERENCE.clone(), GENERATED.clone()
    a[:, 5] = b[:, 5] = 3.0
    kept = [column for column in range(64) if column != 5]
    without = frechet_distance(moments(a[:, kept]), moments(b[:, kept]))
    assert frechet_distance(moments(a), moments(b)) == pytest.approx(without, rel=1e-6)


@pytest.mark.parametrize(("noise", "distance"), [(0.001, 1.04534e-6), (0.1, 0.0124446)])
def test_reconstructions_against_their_own_originals(noise, distance):
    z = feat(606, 2000, 64, 1.0, 0.3, 0.7).double()
    e = z + noise * torch.from_numpy(np.random.RandomState(1).standard_normal(z.shape))
    assert frechet_distance(moments(e), moments(z)) == pytest.approx(distance, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("n", [60, 200])
def test_features_that_nearly_follow_from_each_other_lose_no_digits(n):
    """Of fewer rows than columns; the products of rows with rows have the same eigenvalues, and are exact."""
    random = np.random.RandomState(0)
    real = torch.from_numpy(random.standard_normal((n, 512)))
    real[:, :n] = torch.from_numpy(random.standard_normal((n, 1))) + 1e-3 * real[:, :n]
    again = real + 0.01 * torch.from_numpy(random.standard_normal(real.shape))
    centred = [each - each.mean(dim=0) for each in (real, again)]
    traces = sum(each.square().sum() for each in centred) - 2 * torch.linalg.svdvals(centred[0] @ centred[1].T).sum()
    expected = (real.mean(dim=0) - again.mean(dim=0)).square().sum() + traces / (n - 1)
    assert frechet_distance(moments(real), moments(again)) == pytest.approx(float(expected), rel=1e-6)


def test_features_of_different_widths_are_refused():
    with pytest.raises(ValueError, match="64 and 63 numbers"):
        frechet_distance(moments(REFERENCE), moments(GENERATED[:, 1:]))


@pytest.mark.parametrize("batch", [1, 7, 64, 2000])
def test_moments_are_the_same_to_the_bit_for_any_batch(batch):
    sums = MomentSums()
    for rows in REFERENCE.split(batch):
        sums.update(rows)
    found, whole = sums.compute(), moments(REFERENCE)
    assert torch.equal(found.covariance, whole.covariance) and torch.equal(found.mean, whole.mean)
    torch.testing.assert_close(
        found.covariance, torch.from_numpy(np.cov(REFERENCE.double().numpy().T)), rtol=1e-12, atol=0
    )


def test_far_from_zero_the_covariance_keeps_its_digits():
    far = REFERENCE.double() + 1e5
    torch.testing.assert_close(moments(far).covariance, moments(REFERENCE.double()).covariance, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_feature_that_is_not_finite_is_refused(bad):
    rows = REFERENCE.clone()
    rows[3, 4] = bad
    with pytest.raises(ValueError, match="1 of 2000 rows of features are not finite"):
        moments(rows)


def test_a_single_picture_has_no_covariance():
    with pytest.raises(ValueError, match=r"1 rows .* at least two pictures"):
        moments(REFERENCE[:1])
