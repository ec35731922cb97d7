import numpy as np
import pytest
import torch

from darkroom.keys import keys
from darkroom.metrics.inception_score import inception_score

LOGITS = torch.from_numpy((3.0 * np.random.RandomState(303).standard_normal((1003, 20))).astype(np.float32))


def test_the_reference_values():
    assert LOGITS.double().sum().item() == pytest.approx(-276.309612, abs=1e-6)
    assert inception_score(LOGITS, splits=1, shuffle_seed=None).mean == pytest.approx(5.8103006971, rel=1e-9)
    assert inception_score(LOGITS)[:2] == pytest.approx((5.5671309158, 0.3231244853), rel=1e-9)
    assert inception_score(LOGITS, shuffle_seed=None)[:2] == pytest.approx((5.6487543765, 0.3150149414), rel=1e-9)


def test_closed_forms():
    equal = torch.zeros(50, 7)
    assert inception_score(equal, splits=1).mean == pytest.approx(1)
    sure = 1000.0 * torch.eye(5).repeat(4, 1)
    assert inception_score(sure, splits=1).mean == pytest.approx(5)
    halves = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).log().repeat(10, 1)
    assert inception_score(halves, splits=1).mean == pytest.approx(1.4449348, abs=1e-7)


@pytest.mark.parametrize("splits", [1, 10])
def test_the_error_is_the_spread_over_fresh_samples(splits):
    frequent = keys(seed=0, purpose="classes", places=range(20)).normal()
    drawn = [keys(seed=0, purpose="logits", step=k, places=range(400)).normal((20,)) for k in range(100)]
    scores = [inception_score(frequent + 3 * each, splits=splits) for each in drawn]
    spread = torch.tensor([each.mean for each in scores]).std().item()  # 100 sets know it to 7 %
    told = torch.tensor([each.sd for each in scores]).square().mean().sqrt().item()
    assert told == pytest.approx(spread, rel=0.25)


def test_one_sample_alone_has_no_error():
    assert inception_score(LOGITS[:1], splits=1) == (1, 0, None)


def test_logits_that_are_not_finite_are_refused():
    logits = LOGITS.clone()
    logits[0, 0] = float("inf")
    with pytest.raises(ValueError, match="1 of 1003 rows of features are not finite"):
        inception_score(logits)


def test_more_splits_than_samples_are_refused():
    with pytest.raises(ValueError, match="3 samples do not fall into 10 splits"):
        inception_score(LOGITS[:3])
