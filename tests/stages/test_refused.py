"""What is refused once stage and callbacks are built leaves nothing behind, on W&B's server either."""

import pytest
from tiny import AUTOENCODER, train


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["callback.snapshots.count=2"], "is for a denoiser's averages"),
        (["+trainer.gradient_clip_val=0.5"], "would clip a second time"),
        (["data.validation_size=1", "trainer.devices=2", "trainer.strategy=ddp"], "1 pictures for 2 processes"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_anything_is_written(tmp_path, given, words):
    folder = tmp_path / "run"
    with pytest.raises(ValueError, match=words):
        train(folder, AUTOENCODER, "max_steps=2", *given)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["summary.json", "checkpoints/best.json"])
def test_damaged_books_of_a_run_are_told_before_it_goes_on(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"step": 1')
    with pytest.raises(ValueError, match=f"{name}: cannot be read"):
        train(tmp_path, AUTOENCODER, "max_steps=2")
    assert not (tmp_path / "config.yaml").exists()
