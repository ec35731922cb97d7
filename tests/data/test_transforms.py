import numpy as np
import pytest
import torch
from PIL import Image

from darkroom.data.decode import decode
from darkroom.data.transforms import mirrored, square


def noise(width, height):
    return Image.fromarray(
        (np.arange(width * height * 3) * 2654435761 >> 24 & 255).astype(np.uint8).reshape(height, width, 3)
    )


@pytest.mark.parametrize(("width", "height"), [(64, 64), (96, 64), (64, 97), (65, 64)])
def test_a_picture_of_the_right_side_is_cropped_without_touching_a_pixel(width, height):
    pixels = np.asarray(noise(width, height))
    left, top = (width - 64) // 2, (height - 64) // 2
    expected = torch.from_numpy(pixels[top : top + 64, left : left + 64].copy()).permute(2, 0, 1)
    assert torch.equal(square(noise(width, height), 64), expected)


def test_it_agrees_with_scaling_first_and_cropping_then():
    image = noise(384, 256).resize((768, 512))
    scaled = image.resize((96, 64), Image.Resampling.BICUBIC).crop((16, 0, 80, 64))
    difference = square(image, 64).permute(1, 2, 0).numpy().astype(int) - np.asarray(scaled)
    assert np.abs(difference).max() <= 1


def test_shrinking_is_antialiased():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255  # finer than the result can show
    inner = square(Image.fromarray(stripes), 32)[:, :, 1:-1]
    assert (inner.float() - 127.5).abs().max() < 2


def test_an_extremely_long_picture_is_cropped_before_it_is_scaled():
    assert square(Image.new("RGB", (100_000, 2), (9, 9, 9)), 64).unique().tolist() == [9]


def test_grey_keeps_its_one_channel():
    assert square(Image.new("L", (40, 30), 7), 16).shape == (1, 16, 16)


def test_a_jpeg_read_at_reduced_scale_looks_the_same(tmp_path):
    noise(80, 60).resize((1600, 1200), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=90)
    full = square(decode(tmp_path / "a.jpg"), 64).float()
    reduced = square(decode(tmp_path / "a.jpg", short_side=64), 64).float()
    psnr = 10 * torch.log10(255**2 / (full - reduced).square().mean())
    assert not torch.equal(full, reduced)
    assert psnr > 40


def test_half_of_the_visits_are_mirrored_and_an_epoch_differs_from_the_next():
    index = torch.arange(4000)
    first, second = (mirrored(index, torch.full_like(index, epoch), seed=0) for epoch in (0, 1))
    for flips in (first, second):
        assert abs(flips.float().mean() - 0.5) < 0.03
    assert abs((first == second).float().mean() - 0.5) < 0.03


def test_mirroring_depends_on_picture_and_epoch_and_not_on_the_batch():
    index, epoch = torch.tensor([5, 9, 5, 2]), torch.tensor([0, 0, 1, 1])
    alone = [mirrored(index[i : i + 1], epoch[i : i + 1], seed=3) for i in range(4)]
    assert torch.equal(mirrored(index, epoch, seed=3), torch.cat(alone))
