import pytest
import torch

from darkroom.contracts import Visit
from darkroom.data.shapes.source import Shapes


def test_a_scene_depends_on_seed_split_and_place_alone():
    few, many = Shapes(train_size=10, validation_size=10), Shapes(train_size=300, validation_size=20)
    assert torch.equal(few.split("train").pictures, many.split("train").pictures[:10])
    assert few.split("train").captions == many.split("train").captions[:10]
    assert few.split("train").captions != few.split("validation").captions
    assert few.split("train").captions != Shapes(train_size=10, seed=1).split("train").captions


def test_a_batch_holds_the_pictures_and_captions_of_its_visits():
    split = Shapes(train_size=20).split("train")
    visits = [Visit(index=7, epoch=2, step=5, place=0), Visit(index=3, epoch=2, step=5, place=1)]
    batch = split.__getitems__(visits)
    assert torch.equal(batch.image, split.pictures[[7, 3]])
    assert batch.prompts.caption == (split.captions[7], split.captions[3])
    assert (batch.index.tolist(), batch.epoch.tolist(), batch.place.tolist(), batch.step) == ([7, 3], [2, 2], [0, 1], 5)
    assert torch.equal(split.oriented([7, 3], mirrored=False), batch.image)


def test_mirrored_pictures_are_refused():
    with pytest.raises(ValueError, match="mirrored=True"):
        Shapes(train_size=2).split("train").oriented([0], mirrored=True)


def test_the_fingerprint_follows_everything_that_decides_the_pictures():
    changes = ({}, {"seed": 1}, {"resolution": 32}, {"max_shapes": 3}, {"train_size": 5}, {"validation_size": 5})
    assert len({Shapes(**change).fingerprint for change in changes}) == len(changes)
    assert Shapes().fingerprint == Shapes().fingerprint


def test_another_resolution_shows_the_same_scene():
    large, small = (Shapes(resolution=side, train_size=16).split("train").pictures.float() for side in (128, 64))
    assert (torch.nn.functional.avg_pool2d(large, 2) - small).abs().mean() < 1.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_shapes": 4}, "data.max_shapes=4 is not in 1..3"),
        ({"resolution": 16}, "data.resolution=16 is too small"),
        ({"train_size": 0}, "data.train_size=0"),
        ({"validation_size": -1}, "data.validation_size=-1"),
    ],
)
def test_an_impossible_argument_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        Shapes(**wrong)


def test_all_faults_come_at_once():
    with pytest.raises(ValueError, match=r"(?s)max_shapes=0.*train_size=0"):
        Shapes(max_shapes=0, train_size=0)


def test_an_unknown_split_or_kind_is_named():
    with pytest.raises(ValueError, match="split='test' is not one of"):
        Shapes().split("test")
    with pytest.raises(ValueError, match="kind='new' is not one of"):
        Shapes().prompts("new", 1)
