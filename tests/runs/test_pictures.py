import numpy as np
import pytest
import torch
from PIL import ImageFont

from darkroom.runs.pictures import _wrap, grid


def flat(colours, side=64):
    return torch.tensor(colours, dtype=torch.uint8)[:, :, None, None].expand(-1, -1, side, side)


def test_pictures_stand_in_reading_order_over_their_captions():
    colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    sheet = np.asarray(grid(flat(colours), ["a red ground", "a green ground", "blue"], columns=2))
    rows = {tuple(colour): np.argwhere((sheet == colour).all(-1)) for colour in colours}
    red, green, blue = (rows[tuple(colour)].mean(0) for colour in colours)
    assert red[0] == green[0] < blue[0]
    assert red[1] == blue[1] < green[1]
    below_red = sheet[rows[255, 0, 0].max(0)[0] + 1 : rows[0, 0, 255].min(0)[0]]
    assert (below_red < 128).any(), "no caption between the rows"


def test_small_pictures_are_enlarged_by_a_whole_factor_and_large_ones_are_not():
    assert grid(flat([[9, 9, 9]], side=64)).size == (192 + 32, 192 + 32)
    assert grid(flat([[9, 9, 9]], side=256)).size == (256 + 32, 256 + 32)


def test_a_caption_is_wrapped_to_the_width_and_loses_no_letter():
    font = ImageFont.load_default(size=13)
    text = "a large red circle above a Supercalifragilisticexpialidocious-blue square"
    wrapped = _wrap(text, font, 120)
    assert all(font.getlength(line) <= 120 for line in wrapped.split("\n"))
    assert wrapped.replace("\n", "").replace(" ", "") == text.replace(" ", "")


def test_captions_of_another_number_and_no_pictures_are_refused():
    with pytest.raises(ValueError, match="1 captions for 2 pictures"):
        grid(flat([[0, 0, 0], [1, 1, 1]]), ["one"])
    with pytest.raises(ValueError, match="at least one picture"):
        grid(torch.zeros(0, 3, 8, 8, dtype=torch.uint8))
