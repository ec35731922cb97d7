import pytest
import torch
from scipy.stats import binomtest

from darkroom.contracts import Verdicts
from darkroom.metrics.agreement import agreement, wilson


def test_an_interval_of_none_or_all_ends_there_exactly():
    assert wilson(0, 500).low == 0 and wilson(500, 500).high == 1


def test_wilson_has_the_reference_value():
    assert wilson(187, 200) == pytest.approx((0.891981, 0.961624), abs=1e-6)


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (1, 1), (480, 500)])
def test_wilson_is_scipys(right, n):
    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_shares_are_over_all_pictures_and_an_invalid_one_is_wrong_in_everything():
    right = torch.tensor([[True, True], [True, False], [False, False], [True, True]])
    found = agreement(Verdicts(right, torch.tensor([True, True, True, False])), ["colour", "shape"])
    counts = {"agreement": 1, "agreement_colour": 2, "agreement_shape": 1, "agreement_invalid": 1}
    assert found == {name: (count, 4) for name, count in counts.items()}
    assert (found["agreement"].value, found["agreement"].interval) == (0.25, wilson(1, 4))


def test_no_picture_judged_is_an_error():
    with pytest.raises(ValueError, match="no picture was judged"):
        agreement(Verdicts(torch.zeros(0, 1, dtype=torch.bool), torch.zeros(0, dtype=torch.bool)), ["colour"])
