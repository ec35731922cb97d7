"""Which way a metric is better: every one that is measured of pictures tells it by its name."""

import pytest

from darkroom.metrics.better import less_is_better
from darkroom.metrics.distances import FAMILIES

LESS = ["val/loss", "train/loss", "train/l1", "val/fd_pixels", "val/rfd_x", "fid", "rfid", "sfid", "kid", "kid_full_x"]
MORE = ["val/psnr", "val/ssim", "ms_ssim", "prompt_accuracy", "val/agreement_pixels", "val/clip_score_vit_b_32"]


@pytest.mark.parametrize(
    ("names", "answer"),
    [(LESS, True), (MORE, False), (["speed/mfu", "train/kl", "gradient_norm", "val/fdx", "val/scores", ""], None)],
)
def test_a_name_tells_the_direction_or_that_it_does_not(names, answer):
    assert {name: less_is_better(name) for name in names} == dict.fromkeys(names, answer)


def test_no_family_of_distances_is_without_a_direction():
    parts = {"precision_recall": ["precision", "recall"], "density_coverage": ["density", "coverage"]}
    names = [name for family in FAMILIES for name in parts.get(family, [f"{family}_x"])]
    assert None not in {less_is_better(name) for name in names}
