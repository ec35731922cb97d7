from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from trainers import Tiny, loader, trainer

from darkroom.callbacks.reconstructions import Reconstructions
from darkroom.runs.pictures import grid


class Negative(Tiny):
    """What it makes of a picture is its negative."""

    def validation_step(self, batch, batch_idx):  # noqa: ARG002
        return 255 - batch.image


def fit(folder, module, n=3, **options):
    settings = {"limit_val_batches": 2, "val_check_interval": 2, "check_val_every_n_epoch": None} | options
    trainer(folder, 4, [Reconstructions(n)], **settings).fit(module, loader(), loader())
    return sorted(path.name for path in folder.glob("samples/*.png"))


def test_the_first_validation_pictures_stand_each_before_its_reconstruction(tmp_path):
    assert fit(tmp_path, Negative()) == ["reconstructions-00000002.png", "reconstructions-00000004.png"]
    image = next(iter(loader())).image[:3]
    pairs = torch.stack([image, 255 - image], dim=1).flatten(0, 1)
    texts = [f"{kind} {index}" for index in range(3) for kind in ("picture", "reconstruction")]
    sheet = Image.open(tmp_path / "samples" / "reconstructions-00000004.png")
    assert sheet.tobytes() == grid(pairs, texts, columns=4).tobytes()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9])
def test_a_reconstruction_stands_right_of_its_picture_whatever_their_number(tmp_path, n):
    def painted(green):
        colours = torch.tensor([[20 * place, green, 0] for place in range(n)], dtype=torch.uint8)
        return colours[:, :, None, None].expand(-1, -1, 8, 8)

    def place(red, green):
        return np.argwhere((sheet == (red, green, 0)).all(-1)).mean(0)

    batch = SimpleNamespace(image=painted(60), index=torch.arange(n))
    Reconstructions(n).on_validation_batch_end(trainer(tmp_path, 1, []), Tiny(), painted(200), batch, 0)
    sheet = np.asarray(Image.open(tmp_path / "samples" / "reconstructions-00000000.png"))
    for number in range(n):
        (row, column), (row_after, column_after) = place(20 * number, 60), place(20 * number, 200)
        assert row == row_after and column_after - column == 160 + 12  # a tile and a gap


def test_no_more_are_shown_than_the_first_batch_has(tmp_path):
    fit(tmp_path, Negative(), n=100)
    assert len(list(tmp_path.glob("samples/*.png"))) == 2


def test_a_stage_that_reconstructs_nothing_is_left_alone(tmp_path):
    assert fit(tmp_path, Tiny()) == []


def test_the_check_before_training_shows_nothing(tmp_path):
    assert fit(tmp_path, Negative(), num_sanity_val_steps=1, val_check_interval=100) == []
