import pytest
import torch
from trainers import Tiny, loader, trainer

from darkroom.callbacks.checkpoints import Checkpoints
from darkroom.runs.checkpoint import step_of, whole_checkpoints
from darkroom.runs.folder import Run


class Falling(Tiny):
    """What is watched falls with every step."""

    def validation_step(self, *_):
        self.log("val/score", 1 / (1 + self.global_step), batch_size=4)


def fit(folder, steps, *, resume=None, **settings):
    module = Falling()
    callback = Checkpoints(**settings)
    validate = {"limit_val_batches": 1, "val_check_interval": 3, "check_val_every_n_epoch": None}
    options = {"enable_checkpointing": True, **(validate if "monitor" in settings else {})}
    data = loader(first=step_of(resume) if resume else 0)
    trainer(folder, steps, [callback], **options).fit(module, data, loader(), ckpt_path=resume, weights_only=True)
    return module


def steps_in(folder):
    return [step_of(path) for path in whole_checkpoints(Run(folder).checkpoints)]


def test_the_last_few_are_kept_and_the_end_is_saved_off_the_interval_too(tmp_path):
    fit(tmp_path, 11, every_n_steps=3, keep=2)
    assert steps_in(tmp_path) == [9, 11]


def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(tmp_path):
    whole = fit(tmp_path / "whole", 9, every_n_steps=100)
    fit(tmp_path / "cut", 5, every_n_steps=100)
    resumed = fit(tmp_path / "cut", 9, every_n_steps=100, resume=Run(tmp_path / "cut").latest())
    assert resumed.seen == [5, 6, 7, 8]
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert steps_in(tmp_path / "cut") == [5, 9]


def test_the_best_by_validation_is_kept_beside_the_newest(tmp_path):
    fit(tmp_path, 13, every_n_steps=100, keep=1, monitor="val/score", mode="max")
    run = Run(tmp_path)
    assert steps_in(tmp_path) == [3, 13]
    assert step_of(run.best()) == 3
    assert step_of(run.latest()) == 13


def test_a_draft_that_a_kill_left_is_swept_away(tmp_path):
    draft = Run(tmp_path).checkpoints / ".step-00000003.ckpt.7.tmp"
    draft.parent.mkdir()
    draft.write_bytes(b"half")
    fit(tmp_path, 3)
    assert [path.name for path in draft.parent.iterdir()] == ["step-00000003.ckpt"]


def test_a_metric_that_nobody_logs_is_named_with_those_that_are(tmp_path):
    with pytest.raises(ValueError, match=r"monitor=val/psnr .* logged are \['train/loss', 'val/score'\]"):
        fit(tmp_path, 3, monitor="val/psnr", every_n_steps=100)


def test_an_interval_of_zero_is_refused():
    with pytest.raises(ValueError, match="every_n_steps=0"):
        Checkpoints(every_n_steps=0)
