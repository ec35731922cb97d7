"""Pictures read by their nearest neighbour."""

import itertools

import pytest
import torch
from photos import features, grocery, needs_real_data, pretrained

from darkroom.metrics.nearest_agreement import Named

CORNERS = Named(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), ["cat", "dog", "cat"])


def test_the_nearest_real_picture_says_what_is_shown():
    drawn = torch.tensor([[0.1, 0.0], [0.9, 0.1], [0.1, 0.8], [0.8, 0.1]])
    assert CORNERS.agreement(drawn, ["cat", "dog", "cat", "cat"])[:2] == (3, 4)
    assert CORNERS.agreement(drawn, ["dog", "cat", "dog", "dog"])[:2] == (1, 4)


def test_chance_is_what_the_same_pictures_would_reach_under_each_others_conditions():
    drawn, asked = torch.tensor([[0.1, 0.0], [0.9, 0.1], [0.1, 0.8], [0.8, 0.1]]), ["cat", "dog", "cat", "cat"]
    dealt = [CORNERS.agreement(drawn, order).right / 4 for order in itertools.permutations(asked)]
    assert CORNERS.agreement(drawn, asked).chance == pytest.approx(sum(dealt) / len(dealt))
    assert CORNERS.agreement(drawn[:1], ["cat"]).chance == 1  # nothing else was asked for


def test_what_no_real_picture_shows_is_not_counted():
    drawn = torch.tensor([[0.1, 0.0], [0.9, 0.1]])
    assert CORNERS.agreement(drawn, ["bird", "dog"])[:2] == (1, 1)
    assert CORNERS.agreement(drawn, ["bird", "fish"])[:2] == (0, 0)
    assert Named(CORNERS.features, ["", "", "cat"]).agreement(drawn, ["", ""])[:2] == (0, 0)


def test_features_that_are_no_numbers_are_refused_even_where_they_would_not_count():
    with pytest.raises(ValueError, match="1 of 1 rows of features are not finite"):
        CORNERS.agreement(torch.tensor([[torch.nan, 0.0]]), ["bird"])


@needs_real_data
def test_photos_of_a_class_are_read_as_it_and_wrong_words_are_found():
    extractor = pretrained("mobilenet_v2", 96)
    (known, classes), (new, asked) = (grocery(split, every=4) for split in ("train", "val"))
    named = Named(features(extractor, known), [str(each) for each in classes])
    of_new = features(extractor, new)
    right, n, chance = named.agreement(of_new, [str(each) for each in asked])
    wrong, *_ = named.agreement(of_new, [str(each) for each in (asked + 1) % 43])
    assert right > 0.4 * n  # of 43 classes, by four or five photos each
    assert wrong < 0.1 * n
    assert chance < 0.1
