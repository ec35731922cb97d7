"""Features that come in batches: moments are those of all at once, and no more rows are held than are wanted."""

import pytest
import torch
from references import REFERENCE

from darkroom.metrics import collecting
from darkroom.metrics.collecting import collected, spacing
from darkroom.metrics.moments import moments


@pytest.mark.parametrize("size", [1, 7, 64, 5000])
def test_moments_are_those_of_all_rows_to_the_bit_and_every_third_is_held(size):
    found = collected(REFERENCE.split(size), every=3)
    assert torch.equal(found.moments.covariance, moments(REFERENCE).covariance)
    assert torch.equal(found.rows, REFERENCE[::3])


def test_none_is_held_where_none_is_wanted_and_all_by_themselves():
    assert collected([REFERENCE], every=None).rows is None
    assert torch.equal(collected(REFERENCE.split(9)).rows, REFERENCE)


def test_no_more_rows_are_held_than_may_be(monkeypatch):
    monkeypatch.setattr(collecting, "HELD", 10)
    for n in (2, 10, 11, 20, 21, 99):
        assert len(range(0, n, spacing(n))) <= 10
    assert (spacing(10), spacing(11), spacing(21)) == (1, 2, 3)
