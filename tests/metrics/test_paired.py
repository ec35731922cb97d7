import math
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from pairs import ever_worse, reference_pairs, square_photos, tensor
from PIL import Image
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.utilities import dim_zero_sum

from darkroom.keys import keys
from darkroom.metrics.means import mean
from darkroom.metrics.paired import MeanPSNR, MeanSSIM, bicubic_roundtrip, pooled_psnr, psnr, ssim


@pytest.fixture(scope="module")
def pairs():
    return reference_pairs()


def pictures(n: int, side: int, seed: int = 0) -> torch.Tensor:
    return keys(seed=seed, purpose="test", places=range(n)).integers(256, (3, side, side)).to(torch.uint8)


def close(values, expected):
    torch.testing.assert_close(values, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)


def test_psnr_has_the_reference_values(pairs):
    close(psnr(*pairs), [46.3382762, 34.8160060, 27.0085590, 19.3407804])


def test_psnr_of_an_error_of_ten_levels_everywhere():
    picture = pictures(1, 16) // 2
    close(psnr(picture, picture + 10), [28.1308036])


@pytest.mark.parametrize(
    ("border", "expected"),
    [
        ("valid", [0.99851517, 0.97704000, 0.89612916, 0.67733192]),
        ("reflect", [0.99822246, 0.97251362, 0.88362882, 0.65809442]),
    ],
)
def test_ssim_has_the_reference_values(pairs, border, expected):
    close(ssim(*pairs, border=border), expected)


def test_ssim_of_oblong_pictures_is_that_of_torchmetrics_with_its_border():
    x, y = (pictures(5, 32, seed)[:, :, :20].contiguous() for seed in (0, 1))
    y = (x // 2 + y // 2).to(torch.uint8)
    expected = structural_similarity_index_measure(y / 255.0, x / 255.0, data_range=1.0, reduction="none")
    torch.testing.assert_close(ssim(x, y, border="reflect").float(), expected, atol=1e-5, rtol=0)


def test_ssim_refuses_pictures_smaller_than_its_window():
    assert ssim(pictures(1, 11), pictures(1, 11)).item() == pytest.approx(1)
    with pytest.raises(ValueError, match="at least 11 x 11 pixels, not 10x10"):
        ssim(pictures(1, 10), pictures(1, 10))


@pytest.mark.parametrize(("metric", "expected"), [(MeanPSNR, 31.8759054), (MeanSSIM, 0.88725406)])
def test_a_mean_is_over_pictures_and_not_over_batches(pairs, metric, expected):
    picture, reconstruction = pairs
    whole = metric()
    whole.update(picture[:3], reconstruction[:3])
    whole.update(picture[3:], reconstruction[3:])
    assert whole.compute().item() == pytest.approx(expected, abs=1e-6)


def test_a_pooled_psnr_is_that_of_the_mean_error_and_knows_its_own(pairs):
    assert pooled_psnr(psnr(*pairs)).value == pytest.approx(24.5644, abs=5e-5)  # evaluation.md 5
    picture, reconstruction = pairs
    some = psnr(picture, torch.cat([picture[:1], reconstruction[1:]]))
    assert pooled_psnr(some).value == pytest.approx(pooled_psnr(some[1:]).value + 10 * math.log10(4 / 3))
    assert pooled_psnr(psnr(picture, picture)) == (math.inf, None)
    values = 30 + 2 * keys(seed=0, purpose="test", places=range(400)).normal(dtype=torch.float64)
    drawn = [values[keys(seed=1, purpose=str(i), places=range(400)).integers(400)] for i in range(400)]
    spread = torch.tensor([pooled_psnr(each).value for each in drawn]).std().item()
    assert pooled_psnr(values).sd == pytest.approx(spread, rel=0.15)


def test_a_mean_knows_its_standard_error():
    assert mean(torch.tensor([1.0, 2.0, 6.0])) == pytest.approx((3.0, (7 / 3) ** 0.5))
    assert mean(torch.tensor([2.0])) == (2.0, None)


def test_states_of_several_processes_add_up(pairs):
    picture, reconstruction = pairs
    whole, *parts = MeanPSNR(), MeanPSNR(), MeanPSNR()
    whole.update(picture, reconstruction)
    for part, rows in zip(parts, (slice(0, 1), slice(1, 4)), strict=True):
        part.update(picture[rows], reconstruction[rows])
    state = whole._copy_state_dict()
    whole.reset()
    assert set(state) == {"total", "count", "identical"}
    for name, value in state.items():
        assert whole._reductions[name] is dim_zero_sum
        torch.testing.assert_close(sum(getattr(part, name) for part in parts), value, atol=1e-12, rtol=0)
    assert whole.total.dtype == torch.float64


def test_pictures_without_any_error_are_counted_apart(pairs):
    picture, reconstruction = pairs
    metric = MeanPSNR()
    metric.update(picture, torch.cat([picture[:1], reconstruction[1:]]))
    assert metric.identical == 1
    assert metric.compute().item() == pytest.approx((34.8160060 + 27.0085590 + 19.3407804) / 3, abs=1e-6)


@pytest.mark.skipif("DARKROOM_REAL_DATA" not in os.environ, reason="DARKROOM_REAL_DATA is not set")
@pytest.mark.parametrize("metric", [psnr, ssim])
def test_a_photo_is_less_like_itself_the_more_it_is_blurred_or_noisy(metric):
    photos = square_photos(Path(os.environ["DARKROOM_REAL_DATA"], "grocery", "val"), 4)
    picture = tensor(photos)
    for degraded in ever_worse(photos):
        values = torch.stack([metric(picture, each) for each in degraded])
        assert (values.diff(dim=0) < 0).all()


def test_a_roundtrip_of_factor_one_and_of_flat_pictures_changes_nothing():
    picture = pictures(2, 16)
    assert torch.equal(bicubic_roundtrip(picture, 1), picture)
    flat = picture[:, :, :1, :1].expand(-1, -1, 16, 16).contiguous()
    assert torch.equal(bicubic_roundtrip(flat, 8), flat)
    with pytest.raises(ValueError, match="factor=3 does not divide"):
        bicubic_roundtrip(picture, 3)


@pytest.mark.skipif("DARKROOM_REAL_DATA" not in os.environ, reason="DARKROOM_REAL_DATA is not set")
def test_a_roundtrip_of_a_photo_is_nearly_pillows_and_loses_more_at_a_larger_factor():
    path = next(Path(os.environ["DARKROOM_REAL_DATA"], "grocery").rglob("*.jpg"))
    photo = Image.open(path).convert("RGB").resize((64, 64), Image.Resampling.BICUBIC)
    picture = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None]
    small = photo.resize((16, 16), Image.Resampling.BICUBIC).resize((64, 64), Image.Resampling.BICUBIC)
    pillow = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None]
    assert (
        psnr(bicubic_roundtrip(picture, 4), pillow).item() > 40
    )  # Pillow cuts at a = -0.5 where torch enlarges at -0.75
    qualities = [psnr(picture, bicubic_roundtrip(picture, factor)).item() for factor in (2, 4, 8)]
    assert qualities == sorted(qualities, reverse=True)


def test_256_pictures_of_64_pixels_take_well_under_a_second():
    picture, reconstruction = pictures(256, 64), pictures(256, 64, seed=1)
    start = time.process_time()
    psnr(picture, reconstruction)
    ssim(picture, reconstruction)
    bicubic_roundtrip(picture, 8)
    assert time.process_time() - start < 1
