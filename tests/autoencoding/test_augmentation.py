"""Augmentations of an autoencoder's training pictures."""

import itertools

import pytest
import torch

from darkroom.autoencoding.augmentation import PermutedColours, RandomShift
from darkroom.keys import keys

COLOURS = torch.tensor([0.1, 0.2, 0.3])
PICTURES = COLOURS[None, :, None, None].expand(3000, 3, 2, 2)
KEYS = keys(seed=0, purpose="test", places=range(3000))


def _orders(share: float) -> list[tuple[int, ...]]:
    drawn = PermutedColours(share)(PICTURES, KEYS)
    assert (drawn == drawn[:, :, :1, :1]).all(), "all pixels of a picture are permuted alike"
    return [tuple(row) for row in (drawn[:, :, 0, 0] * 10).round().int().tolist()]


def test_every_order_of_the_colours_comes_equally_often():
    drawn = _orders(1.0)
    for order in itertools.permutations((1, 2, 3)):
        assert drawn.count(order) == pytest.approx(500, abs=4 * (3000 * 5 / 36) ** 0.5)


def test_a_share_of_zero_leaves_pictures_alone_and_a_half_leaves_seven_in_twelve():
    assert set(_orders(0.0)) == {(1, 2, 3)}
    assert _orders(0.5).count((1, 2, 3)) == pytest.approx(3000 * 7 / 12, abs=4 * (3000 * 35 / 144) ** 0.5)


def test_a_picture_depends_on_its_own_key_alone():
    augment = PermutedColours(0.5)
    assert torch.equal(augment(PICTURES, KEYS)[7:9], augment(PICTURES[7:9], KEYS[7:9]))


def test_a_share_beyond_one_is_refused_by_its_key():
    with pytest.raises(ValueError, match=r"stage\.augmentation\.share=1\.5"):
        PermutedColours(1.5)


def test_a_shift_moves_whole_pixels_and_mirrors_the_edge():
    ramp = torch.arange(5.0).expand(3000, 3, 5, 5)
    moved = RandomShift(2)(ramp, KEYS)
    assert (moved == moved[:, :1, :1]).all(), "all channels and rows alike, since the rows are"
    found = {tuple(row) for row in moved[:, 0, 0].int().tolist()}
    assert found == {(2, 1, 0, 1, 2), (1, 0, 1, 2, 3), (0, 1, 2, 3, 4), (1, 2, 3, 4, 3), (2, 3, 4, 3, 2)}


def test_shifts_along_both_sides_are_drawn_apart_and_equally_often():
    place = torch.arange(25.0).view(1, 1, 5, 5).expand(3000, 3, 5, 5)
    first = RandomShift(1)(place, KEYS)[:, 0, 2, 2].int().tolist()
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            assert first.count(12 + 5 * row + column) == pytest.approx(3000 / 9, abs=4 * (3000 * 8 / 81) ** 0.5)


def test_a_shift_beyond_the_picture_is_refused_by_its_key():
    with pytest.raises(ValueError, match=r"stage\.augmentation\.pixels=2: pictures have only 2 a side"):
        RandomShift(2)(PICTURES, KEYS)
