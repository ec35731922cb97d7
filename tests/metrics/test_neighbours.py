import math

import pytest
import torch
from references import GENERATED, REFERENCE

from darkroom.metrics import neighbours as module
from darkroom.metrics.neighbours import neighbours, radii


def shares(found):
    return found.precision, found.recall, found.density, found.coverage


def test_the_reference_counts():
    found = neighbours(GENERATED, REFERENCE, k=3, closed=True)
    assert (found.inside_reference, found.inside_generated) == (761, 1635)
    assert shares(found)[2:] == pytest.approx((0.5355555556, 0.628), abs=1e-10)
    found = neighbours(GENERATED, REFERENCE, k=5, closed=False)
    assert shares(found) == pytest.approx((0.616, 0.885, 0.5478666667, 0.817), abs=1e-10)


def test_ties_lie_on_the_border():
    reference = torch.tensor([4.0, 5, 7, 13, 15, 16])[:, None]
    generated = torch.tensor([13.0, 17, 19, 24, 26])[:, None]
    assert shares(neighbours(generated, reference, k=2, closed=False)) == pytest.approx((0.4, 0.5, 0.2, 1 / 3))
    assert shares(neighbours(generated, reference, k=2, closed=True)) == pytest.approx((0.6, 2 / 3, 0.6, 1 / 2))


@pytest.mark.parametrize("tile", [7, 100, 5000])
def test_tiles_change_nothing(monkeypatch, tile):
    whole = neighbours(GENERATED[:300], REFERENCE[:200], k=3, closed=True)
    monkeypatch.setattr(module, "_TILE", tile)
    assert neighbours(GENERATED[:300], REFERENCE[:200], k=3, closed=True) == whole


def test_the_error_of_density_is_that_of_its_mean_over_generated_features():
    own = REFERENCE[:200].double()
    balls = torch.cdist(GENERATED[:300].double(), own) < radii(own, 5).sqrt()
    inside = balls.sum(dim=1) / 5
    found = neighbours(GENERATED[:300], REFERENCE[:200], k=5, closed=False)
    assert found.density == pytest.approx(inside.mean().item())
    assert found.density_sd == pytest.approx(inside.double().std().item() / 300**0.5)


def test_radii_against_all_distances_at_once():
    x = REFERENCE[:150].double()
    nearest = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").sort(dim=1).values[:, 4]
    torch.testing.assert_close(radii(x, 4).sqrt(), nearest)


def test_a_set_of_copies_is_all_inside_and_one_mode_alone_covers_little():
    found = neighbours(REFERENCE.clone(), REFERENCE, k=5, closed=False)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    one = REFERENCE[:1].repeat(500, 1) + 1e-3 * GENERATED[:500]
    found = neighbours(one, REFERENCE, k=5, closed=False)
    assert found.precision > 0.95 and found.coverage < 0.02


def test_equal_rows_are_at_no_distance_however_rounding_has_it():
    rows = REFERENCE[:300].double().exp().repeat(4, 1)
    assert bool((radii(rows, 3) == 0).all()) and bool((radii(rows, 4) > 0).all())
    found = neighbours(rows, rows[:300], k=3, closed=True)
    assert (found.precision, found.recall) == (1, 1)
    assert neighbours(rows[:300], rows, k=3, closed=False).containments == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_feature_that_is_not_finite_is_refused(bad):
    rows = GENERATED[:50].clone()
    rows[3, 4] = bad
    for sets in ((rows, REFERENCE), (REFERENCE, rows)):
        with pytest.raises(ValueError, match="1 of 50 rows of features are not finite"):
            neighbours(*sets, k=3, closed=True)


def test_fewer_features_than_neighbours_are_refused():
    with pytest.raises(ValueError, match="3 features have no 3-th neighbour; give more than 3 pictures"):
        neighbours(GENERATED[:3], REFERENCE, k=3, closed=True)
