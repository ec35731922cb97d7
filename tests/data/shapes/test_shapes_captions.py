import pytest

from darkroom.data.shapes.captions import Requirement, Wanted, caption, parse
from darkroom.data.shapes.source import Shapes


def test_the_sentences_read_as_people_write_them():
    red, blue = Wanted("red", "circle"), Wanted("blue", "square", "small")
    orange = Wanted("orange", "cross")
    assert caption(Requirement((blue,))) == "a small blue square"
    assert caption(Requirement((red, blue), ("above",))) == "a red circle above a small blue square"
    assert (
        caption(Requirement((red, blue, orange), ("above", "left of")))
        == "a red circle above a small blue square and left of an orange cross"
    )


def test_every_caption_reads_back_as_what_it_was_made_from():
    split = Shapes(max_shapes=3).challenge("seen", 500)
    for row, text in enumerate(split.captions):
        assert parse(text) == split.content.requirement(row)
        assert caption(parse(text)) == text


def test_captions_are_short_enough_for_a_small_text_tower():
    split = Shapes(max_shapes=3).challenge("seen", 2000)
    assert max(len(text.split()) for text in split.captions) <= 22
    assert max(len(text.split()) for text in split.captions if " and " not in text) <= 12


@pytest.mark.parametrize(
    "text", ["", "a cat", "a red circle above", "a red circle above a blue square and", "two red circles"]
)
def test_another_sentence_is_refused_with_the_vocabulary(text):
    with pytest.raises(ValueError, match=r"not one of the shapes world.*red, orange.*circle, square.*above, below"):
        parse(text)
