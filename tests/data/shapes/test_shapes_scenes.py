import itertools
from collections import Counter

import numpy as np
import pytest

from darkroom.data.shapes.captions import parse
from darkroom.data.shapes.geometry import EXTENT
from darkroom.data.shapes.source import Shapes
from darkroom.data.shapes.vocabulary import (
    COLOURS,
    PAIRS,
    RELATIONS,
    SHAPES,
    SIZES,
    kept_out_pairs,
    kept_out_triples,
)

INVERSE = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}


def _combinations(text: str) -> tuple[set, set]:
    """Pairs and triples of a caption, triples told from both sides; the kept-out tables are not used here."""
    wanted = parse(text)
    pairs = [COLOURS.index(one.colour) * len(SHAPES) + SHAPES.index(one.shape) for one in wanted.shapes]
    triples = set()
    for relation, other in zip(wanted.relations, pairs[1:], strict=True):
        triples.add((pairs[0], RELATIONS.index(relation), other))
        triples.add((other, RELATIONS.index(INVERSE[relation]), pairs[0]))
    return set(pairs), triples


@pytest.fixture(scope="module", params=[2, 3])
def source(request):
    return Shapes(max_shapes=request.param, train_size=20_000)


def test_at_least_a_tenth_of_pairs_and_of_triples_is_kept_out():
    assert kept_out_pairs().mean() >= 0.1
    assert kept_out_triples().mean() >= 0.1
    shown = ~kept_out_pairs()
    assert kept_out_triples()[np.ix_(shown, [True] * 4, shown)].mean() >= 0.1  # beside those with a kept-out pair


def test_a_kept_out_triple_is_kept_out_from_either_side():
    for first, second in itertools.product(range(PAIRS), repeat=2):
        for relation, inverse in INVERSE.items():
            told = kept_out_triples()[first, RELATIONS.index(relation), second]
            assert told == kept_out_triples()[second, RELATIONS.index(inverse), first]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_training_and_validation_never_show_what_is_kept_out(source, split):
    for text in source.split(split).captions:
        pairs, triples = _combinations(text)
        assert not any(kept_out_pairs()[pair] for pair in pairs), text
        assert not any(kept_out_triples()[triple] for triple in triples), text


def test_every_word_and_every_other_pair_occurs_in_training(source):
    captions = source.split("train").captions
    words = Counter(word for text in captions for word in text.split())
    for word in (*COLOURS, *SHAPES, *SIZES, *" ".join(RELATIONS).split()):
        assert words[word] > 500, word
    shown = set().union(*(_combinations(text)[0] for text in captions))
    assert shown == set(np.flatnonzero(~kept_out_pairs()))


def test_held_out_prompts_each_show_something_kept_out_and_seen_ones_nothing(source):
    def shows(text):
        pairs, triples = _combinations(text)
        return any(kept_out_pairs()[pair] for pair in pairs) or any(kept_out_triples()[triple] for triple in triples)

    assert all(map(shows, source.prompts("held_out", 500)))
    assert not any(map(shows, source.prompts("seen", 500)))


def test_some_held_out_prompts_put_pairs_that_training_shows_into_a_new_relation(source):
    pairs = [_combinations(text)[0] for text in source.prompts("held_out", 500)]
    assert sum(not any(kept_out_pairs()[pair] for pair in one) for one in pairs) > 50


def test_a_caption_tells_whether_a_pair_is_new_or_a_relation_alone(source):
    def kind(text):
        pairs, triples = _combinations(text)
        if any(kept_out_pairs()[pair] for pair in pairs):
            return "pair"
        return "triple" if any(kept_out_triples()[triple] for triple in triples) else None

    captions = (*source.prompts("held_out", 500), *source.prompts("seen", 500))
    found = list(map(source.kept_out, captions))
    assert found == list(map(kind, captions))
    assert set(found[:500]) == {"pair", "triple"}
    assert not any(found[500:])


def test_shapes_keep_clear_of_the_edge_and_of_one_another(source):
    scenes = source.challenge("seen", 2000).scenes
    extent = EXTENT.numpy()[scenes.content.shape] * scenes.radius[..., None]
    present = scenes.content.present
    assert (scenes.centre - extent)[present].min() > 1.99 / 64
    assert (scenes.centre + extent)[present].max() < 1 - 1.99 / 64
    for first, second in itertools.combinations(range(3), 2):
        both = present[:, first] & present[:, second]
        apart = np.abs(scenes.centre[:, first] - scenes.centre[:, second]) - extent[:, first] - extent[:, second]
        assert (apart.max(axis=1)[both] > 4.99 / 64).all()


def test_a_stated_relation_is_plain_to_see(source):
    scenes = source.challenge("held_out", 2000).scenes
    for other in range(1, 3):
        rows = scenes.content.count > other
        right, down = (scenes.centre[rows, 0] - scenes.centre[rows, other]).T
        along = np.select(
            [scenes.content.relation[rows, other - 1] == r for r in range(4)], [-down, down, -right, right]
        )
        across = np.minimum(np.abs(right), np.abs(down))
        assert (along > 20 / 64).all()
        assert (across <= 0.5 * along + 1e-9).all()


def test_sizes_vary_within_each_word_and_never_meet(source):
    scenes = source.challenge("seen", 2000).scenes
    small, large = (64 * scenes.radius[scenes.content.present & (scenes.content.size == size)] for size in (0, 1))
    assert small.max() < 10 < 11 < large.min()
    assert small.std() > 0.3
    assert large.std() > 0.3


def test_most_grounds_are_not_plain(source):
    assert (source.challenge("seen", 2000).scenes.ground.style > 0).mean() > 0.5
