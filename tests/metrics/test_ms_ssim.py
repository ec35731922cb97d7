import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from pairs import ever_worse, reference_pairs, square_photos, tensor

from darkroom.keys import keys
from darkroom.metrics.ms_ssim import ms_ssim
from darkroom.metrics.paired import ssim


def pictures(n: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    return keys(seed=seed, purpose="test", places=range(n)).integers(256, (3, height, width)).to(torch.uint8)


def test_it_has_the_reference_values():
    expected = torch.tensor([0.99990980, 0.99853508, 0.99265811, 0.96773809], dtype=torch.float64)
    torch.testing.assert_close(ms_ssim(*reference_pairs()), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(160, 192), (192, 160)])
def test_it_refuses_sides_that_do_not_leave_a_window_at_the_fifth_scale(height, width):
    small = pictures(1, height, width)
    with pytest.raises(ValueError, match=f"more than 160 pixels a side, not {height}x{width}"):
        ms_ssim(small, small)


def test_the_smallest_odd_sides_are_taken_and_equal_pictures_give_one():
    picture = pictures(1, 161, 163)
    assert ms_ssim(picture, picture).item() == pytest.approx(1, abs=1e-12)


def written_out(x, y):
    """The definition, step by step: a convolution a moment, and an odd side made even by repeating its last row."""
    place = torch.arange(11, dtype=torch.float64) - 5
    line = torch.exp(-(place**2) / (2 * 1.5**2))
    window = (torch.outer(line, line) / line.sum() ** 2)[None, None]
    x, y = x.double() / 255, y.double() / 255
    product = 1.0
    for scale, exponent in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mean_x, mean_y = F.conv2d(x, window), F.conv2d(y, window)
        var_x, var_y = F.conv2d(x * x, window) - mean_x**2, F.conv2d(y * y, window) - mean_y**2
        covariance = F.conv2d(x * y, window) - mean_x * mean_y
        term = (2 * covariance + 0.03**2) / (var_x + var_y + 0.03**2)
        if scale == 4:
            term = term * (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
        product = product * term.mean() ** exponent
        even = (0, x.shape[-1] % 2, 0, x.shape[-2] % 2)
        x, y = (F.avg_pool2d(F.pad(each, even, mode="replicate"), 2) for each in (x, y))
    return product


def test_odd_sides_are_as_the_definition_written_out_has_them():
    picture = pictures(1, 181, 163)
    other = (picture // 4 * 3 + pictures(1, 181, 163, seed=1) // 4).to(torch.uint8)
    channels = [written_out(picture[:, k : k + 1], other[:, k : k + 1]) for k in range(3)]
    assert ms_ssim(picture, other).item() == pytest.approx(torch.stack(channels).mean().item(), abs=1e-9)


def test_a_picture_upside_down_in_brightness_is_0_and_no_root_of_a_negative():
    picture = pictures(1, 192, 192)
    assert ms_ssim(picture, 255 - picture).item() == 0


@pytest.mark.skipif("DARKROOM_REAL_DATA" not in os.environ, reason="DARKROOM_REAL_DATA is not set")
def test_a_photo_is_less_like_itself_the_more_it_is_blurred_or_noisy():
    photos = square_photos(Path(os.environ["DARKROOM_REAL_DATA"], "grocery", "val"), 4)
    picture = tensor(photos)
    for degraded in ever_worse(photos):
        values = torch.stack([ms_ssim(picture, each) for each in degraded])
        assert (values.diff(dim=0) < 0).all() and (values < 1).all()
        assert (values > torch.stack([ssim(picture, each) for each in degraded])).all()
