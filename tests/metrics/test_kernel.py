import math

import pytest
import torch
from references import GENERATED, REFERENCE

from darkroom.metrics.kernel import cmmd, kid, kid_of_all_pairs


def rows_of_length_1(features):
    features = features.double()
    return features / features.norm(dim=1, keepdim=True)


def test_kid_over_all_pairs_has_its_reference_value():
    assert kid_of_all_pairs(GENERATED, REFERENCE) == pytest.approx(0.0211031913, abs=5e-11)
    assert kid_of_all_pairs(REFERENCE, GENERATED) == pytest.approx(0.0211031913, abs=5e-11)


def test_kid_over_subsets_draws_as_its_peers_do():
    assert kid(GENERATED, REFERENCE, size=500) == pytest.approx((0.0213925781, 0.0291013947), abs=5e-11)
    assert kid(REFERENCE, GENERATED, size=500) == pytest.approx((0.0193732806, 0.0351124448), abs=5e-11)


def test_kid_of_one_law_with_itself_is_about_zero_and_may_be_below():
    halves = REFERENCE[::2], REFERENCE[1::2]
    assert abs(kid_of_all_pairs(*halves)) < 0.0106  # half of what tells the two laws apart


def test_subsets_larger_than_a_set_are_refused():
    with pytest.raises(ValueError, match=r"subsets of 1501 .* 1500 and 2000"):
        kid(GENERATED, REFERENCE, size=1501)
    with pytest.raises(ValueError, match="at least two pictures"):
        kid_of_all_pairs(GENERATED[:1], REFERENCE)


def test_a_feature_that_is_not_finite_is_refused():
    rows = GENERATED.clone()
    rows[[3, 1400], 4] = math.nan
    for number in (kid, kid_of_all_pairs, cmmd):
        for sets in ((rows, REFERENCE), (REFERENCE, rows)):
            with pytest.raises(ValueError, match="2 of 1500 rows of features are not finite"):
                number(*sets)


def test_cmmd_has_its_reference_value_and_its_closed_form():
    found = cmmd(rows_of_length_1(GENERATED[:500]), rows_of_length_1(REFERENCE[:600]))
    assert found == pytest.approx(0.0388281500, abs=5e-10)
    one, other = torch.eye(2).split(1)
    assert cmmd(one, other) == pytest.approx(2000 * (1 - math.exp(-0.01)), rel=1e-12)
    assert cmmd(one, one) == 0


def test_rows_that_are_not_of_length_1_are_refused():
    with pytest.raises(ValueError, match="of length 1"):
        cmmd(GENERATED, REFERENCE)
