"""The pairs of pictures with known numbers of evaluation.md 8.4, to the bit, and a photo to degrade."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter


def reference_pairs():
    random = np.random.RandomState(33)  # the reference's frozen stream
    base = random.randint(0, 256, size=(4, 3, 24, 24), dtype=np.int64)
    picture = np.kron(base, np.ones((8, 8), dtype=np.int64))
    noise = random.randint(-100, 101, size=picture.shape, dtype=np.int64)
    strength = np.array([2, 8, 20, 50])[:, None, None, None]
    reconstruction = np.clip(picture + (noise * strength) // 100, 0, 255)
    assert (picture.sum(), reconstruction.sum()) == (57110592, 56921311)
    return torch.from_numpy(picture.astype(np.uint8)), torch.from_numpy(reconstruction.astype(np.uint8))


def square_photos(folder, n):
    """The first ``n`` by path that are 192 x 192."""
    photos = (Image.open(path).convert("RGB") for path in sorted(Path(folder).rglob("*.jpg")))
    return [photo for photo, _ in zip((each for each in photos if each.size == (192, 192)), range(n), strict=False)]


def tensor(photos):
    return torch.from_numpy(np.stack([np.asarray(photo) for photo in photos])).permute(0, 3, 1, 2).contiguous()


def blurred(photos, radius):
    return tensor([photo.filter(ImageFilter.GaussianBlur(radius)) for photo in photos])


def ever_worse(photos):
    """Two series, each a little further from the photos than the one before: blurred, and noisy."""
    return [blurred(photos, radius) for radius in (1, 2, 4)], [noisy(photos, sigma) for sigma in (5, 15, 45)]


def noisy(photos, sigma):
    """Drawn as the data's calibration draws it: picture by picture, in height, width, channel."""
    random = np.random.default_rng(0)
    arrays = [np.asarray(photo) + random.normal(0, sigma, np.asarray(photo).shape) for photo in photos]
    return torch.from_numpy(np.stack(arrays).round().clip(0, 255).astype(np.uint8)).permute(0, 3, 1, 2).contiguous()
