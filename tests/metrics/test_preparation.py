import torch

from darkroom.metrics.preparation import tensorflow_bilinear

RAMP = torch.tensor([0, 100, 200], dtype=torch.uint8).expand(3, 2, 3)


def test_pixels_begin_at_the_corner_and_end_before_it():
    scaled = tensorflow_bilinear(RAMP, 6)
    assert scaled[0, 0].tolist() == [0, 50, 100, 150, 200, 200]  # half a pixel beyond the last there is none
    assert torch.equal(scaled[:, 0], scaled[:, -1])


def test_what_shrinks_is_picked_and_not_smoothed():
    stripes = torch.tensor([0, 255], dtype=torch.uint8).repeat(4).expand(3, 8, 8)
    assert tensorflow_bilinear(stripes, 4).unique().tolist() == [0]
