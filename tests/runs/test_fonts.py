import logging
from pathlib import Path

import matplotlib
import pytest
from PIL import ImageFont

from darkroom.runs import fonts

DEJAVU = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")  # has Cyrillic, and no Hangul


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine with that font alone, in a process that has warned of nothing."""
    monkeypatch.setattr(fonts, "_SYSTEM", ("no such font.ttf", str(DEJAVU)))
    for each in (fonts._system, fonts._warn_once):
        each.cache_clear()
    yield
    for each in (fonts._system, fonts._warn_once):
        each.cache_clear()


@pytest.mark.parametrize(
    ("texts", "name"),
    [([], "Aileron"), (["a red circle,", "class 7"], "Aileron"), (["a red circle", "красный круг"], "DejaVu Sans")],
)
def test_another_font_is_taken_only_where_letters_are_lacking(texts, name, caplog):
    assert fonts.font_for(texts, 13).getname()[0] == name
    assert not caplog.records


def test_letters_that_no_font_has_are_told_once(caplog):
    with caplog.at_level(logging.WARNING):
        found = [fonts.font_for([text], 13) for text in ("é 빨간 원", "파란 원")]
    assert [font.getname()[0] for font in found] == ["DejaVu Sans", "Aileron"]  # that lacks fewest, else the usual one
    (record,) = caplog.records
    assert "captions" in record.message


def test_a_letter_is_lacking_where_the_font_draws_its_box():
    own = ImageFont.load_default(13)
    assert fonts._lacking(own, "aZ9,.?!'’…") == []
    assert fonts._lacking(own, "éЖ한") == ["é", "Ж", "한"]
