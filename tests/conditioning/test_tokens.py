import json
import os
import time
from pathlib import Path

import open_clip
import pytest
import torch

from darkroom.conditioning import tokens

CAPTIONS = [
    "a red circle above a small blue square",
    "",
    "  A  Red\tcircle,don't!  ",
    "keycap: *",
    "it's 10:30 -- they'll \"say\" so... (really?!) a/b_c #tag $5 100%",
    "fish &amp; chips &lt;b&gt;",
    "piñata 고양이 ﬁsh “quoted” cafÃ© 🎉",
    "3 of 12 #1 <end_of_text> after",
    "a long word antidisestablishmentarianism " * 5,
]


@pytest.mark.parametrize("context_length", [8, 24, 77])
def test_ids_are_those_of_open_clip(context_length):
    assert torch.equal(tokens.token_ids(CAPTIONS, context_length), open_clip.tokenize(CAPTIONS, context_length))


@pytest.mark.skipif("DARKROOM_REAL_DATA" not in os.environ, reason="DARKROOM_REAL_DATA is not set")
def test_ids_of_real_captions_are_those_of_open_clip():
    lines = Path(os.environ["DARKROOM_REAL_DATA"], "noto_emoji", "metadata.jsonl").read_text().splitlines()
    captions = [json.loads(line)["text"] for line in lines]
    assert torch.equal(tokens.token_ids(captions, 24), open_clip.tokenize(captions, 24))


def test_captions_seen_before_cost_well_below_a_millisecond():
    captions = [f"a red circle above a small blue square {i}" for i in range(64)]
    vocabulary = tokens.Vocabulary(tokens.ids_in(captions))
    times = []
    for _ in range(20):
        start = time.perf_counter()
        vocabulary.rows(tokens.token_ids(captions, 24))
        times.append(time.perf_counter() - start)
    assert min(times) < 5e-4


def test_what_counts_ends_with_the_end_token():
    ids = tokens.token_ids(["", "a red circle", "one two three four five six seven"], 6)
    assert tokens.counts(ids).sum(dim=1).tolist() == [2, 5, 6]
    assert ids[2, -1] == tokens.END


def test_truncated_names_the_captions_that_are_cut():
    captions = ["one two three", "one two three four", "one two three four"]
    assert tokens.truncated(captions, 5) == ["one two three four"]


def test_a_vocabulary_keeps_the_order_of_the_ids_and_reads_others_as_row_zero():
    vocabulary = tokens.Vocabulary(tokens.ids_in(["a red circle", "red square!"]))
    ids = tokens.token_ids(["red square!", "a green circle"], 8)
    rows = vocabulary.rows(ids)
    known = rows[0]
    assert torch.equal(known.argsort(stable=True), ids[0].argsort(stable=True))
    assert rows[1].tolist().count(0) == 1  # green
    assert rows.max() == vocabulary.size - 1
    assert torch.equal(tokens.counts(rows), tokens.counts(ids))


def test_unknown_words_are_named_once_and_in_order():
    vocabulary = tokens.Vocabulary(tokens.ids_in(["a red circle above a square"]))
    assert vocabulary.unknown_words(["a Green circle, green above", "a huge square"]) == ["green", ",", "huge"]
    assert vocabulary.unknown_words(["a red square", ""]) == []


@pytest.mark.parametrize("ids", [[], [0, 5, 49406], [0, 49406, 49407, 49408], [-1, 0, 49406, 49407]])
def test_a_vocabulary_without_start_and_end_or_with_foreign_ids_is_refused(ids):
    with pytest.raises(ValueError, match=r"conditioner\.vocabulary"):
        tokens.Vocabulary(ids)
