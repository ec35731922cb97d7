import pytest
import torch
from scipy.stats import binomtest

from darkroom.metrics.agreement import JudgeAgreement, wilson


def test_wilson_has_the_reference_value():
    assert wilson(187, 200) == pytest.approx((0.891981, 0.961624), abs=1e-6)


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (1, 1), (480, 500)])
def test_wilson_is_scipys(right, n):
    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_shares_are_over_all_pictures_and_an_invalid_one_is_wrong_in_everything():
    metric = JudgeAgreement(["colour", "shape"])
    metric.update(torch.tensor([[True, True], [True, False], [False, False]]), torch.tensor([True, True, True]))
    metric.update(torch.tensor([[True, True]]), torch.tensor([False]))
    low, high = wilson(1, 4)
    assert metric.compute() == pytest.approx(
        {
            "agreement": 0.25,
            "agreement_low": low,
            "agreement_high": high,
            "agreement_colour": 0.5,
            "agreement_shape": 0.25,
            "invalid_rate": 0.25,
            "judged": 4,
        }
    )


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_no_picture_judged_is_an_error():
    with pytest.raises(ValueError, match="no trials"):
        JudgeAgreement(["colour"]).compute()


def test_reset_starts_again():
    metric = JudgeAgreement(["colour"])
    metric.update(torch.tensor([[False]]), torch.tensor([True]))
    metric.reset()
    metric.update(torch.tensor([[True]]), torch.tensor([True]))
    assert metric.compute()["agreement"] == 1
