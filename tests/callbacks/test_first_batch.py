import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from PIL import Image
from trainers import Pictures, Tiny, loader, trainer

from darkroom.callbacks.first_batch import FirstBatch
from darkroom.runs.pictures import grid


class Reader(torch.nn.Module):
    """A conditioner that reads captions."""

    def unknown_words(self, captions):  # noqa: ARG002
        return []


class Reads(Tiny):
    def __init__(self):
        super().__init__()
        self.conditioner = Reader()


def shown(folder):
    return np.asarray(Image.open(folder / "samples" / "first_batch-00000000.png"))


def test_the_first_batch_is_shown_with_its_captions_and_no_other(tmp_path):
    trainer(tmp_path, 3, [FirstBatch(n=3)]).fit(Reads(), loader())
    batch = Pictures()[0]
    assert np.array_equal(shown(tmp_path), np.asarray(grid(batch.image[:3], batch.prompts.caption[:3])))
    assert len(list((tmp_path / "samples").iterdir())) == 1


def test_captions_that_a_stage_does_not_read_are_not_shown(tmp_path):
    trainer(tmp_path, 1, [FirstBatch(n=3)]).fit(Tiny(), loader())
    assert np.array_equal(shown(tmp_path), np.asarray(grid(Pictures()[0].image[:3])))


def test_a_stage_shows_its_batches_itself_where_they_are_no_pictures(tmp_path):
    class Negative(Reads):
        def pictures(self, batch, n):
            self.asked = n, torch.is_autocast_enabled("cpu")
            return 255 - batch.image[:n]

    stage = Negative()
    trainer(tmp_path, 1, [FirstBatch(n=3)], precision="bf16-mixed").fit(stage, loader())
    batch = Pictures()[0]
    assert stage.asked == (3, True)  # no more than are shown, in the training's precision
    assert np.array_equal(shown(tmp_path), np.asarray(grid(255 - batch.image[:3], batch.prompts.caption[:3])))


def test_the_first_process_alone_makes_them():
    class Second(Trainer):
        global_step, is_global_zero = 0, False

        def __init__(self):
            pass

    class Asked(Tiny):
        def pictures(self, batch, n):
            raise AssertionError(f"{n} pictures of {len(batch)} for nobody")

    FirstBatch().on_train_batch_start(Second(), Asked(), Pictures()[0], 0)


@pytest.mark.parametrize("n", [1, 4])
def test_no_more_than_n_are_shown(tmp_path, n):
    trainer(tmp_path, 1, [FirstBatch(n=n)]).fit(Reads(), loader())
    batch = Pictures()[0]
    assert shown(tmp_path).shape == np.asarray(grid(batch.image[:n], batch.prompts.caption[:n])).shape
