import numpy as np
import pytest
import torch
from scipy import ndimage

from darkroom.data.shapes.blobs import dilate, erode, label
from darkroom.data.shapes.filters import blur
from darkroom.keys import keys

EIGHT = np.ones((3, 3), dtype=int)


@pytest.fixture(scope="module")
def masks():
    """Ragged blobs, winding ones among them."""
    return blur(keys(seed=0, purpose="masks", places=range(20)).normal((48, 48)), 1.2) > 0.05


def test_blobs_are_those_of_a_second_implementation(masks):
    for mine, mask in zip(label(masks), masks, strict=True):
        other, count = ndimage.label(mask.numpy(), EIGHT)
        assert len(set(zip(mine.flatten().tolist(), other.ravel().tolist(), strict=True))) == count + 1
        assert len(mine.unique()) == count + 1
        assert torch.equal(mine > 0, mask)


def test_growing_and_shrinking_are_those_of_a_second_implementation(masks):
    for mask, grown, shrunk in zip(masks, dilate(masks, 2), erode(masks, 2), strict=True):
        assert (grown.numpy() == ndimage.binary_dilation(mask.numpy(), EIGHT, 2)).all()
        assert (shrunk.numpy() == ndimage.binary_erosion(mask.numpy(), EIGHT, 2, border_value=1)).all()


def test_blur_is_that_of_a_second_implementation():
    planes = keys(seed=0, purpose="planes", places=range(3)).normal((2, 40, 40), dtype=torch.float64)
    other = ndimage.gaussian_filter(planes.numpy(), (0, 0, 1.3, 1.3), mode="nearest", radius=(0, 0, 4, 4))
    assert blur(planes, 1.3).numpy() == pytest.approx(other, abs=1e-6)
