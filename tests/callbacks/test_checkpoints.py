import pytest
import torch
from trainers import Tiny, loader, trainer

from darkroom.callbacks.checkpoints import Checkpoints
from darkroom.callbacks.position import Position
from darkroom.runs.checkpoint import step_of, whole_checkpoints
from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import MetricsFile


class Killed(Exception):
    """In place of SIGKILL."""


class Falling(Tiny):
    """What is watched falls with every step; a validation at ``killed_at`` is the last thing that happens."""

    killed_at = -1
    logs_at = range(100)
    scored_at = -1

    def validation_step(self, *_):
        if self.global_step == self.killed_at:
            raise Killed
        if self.global_step in self.logs_at:
            self.log_dict(dict.fromkeys(("val/score", "val/loss"), 1 / (1 + self.global_step)), batch_size=4)

    def on_train_batch_end(self, *_):
        if self.global_step == self.scored_at:
            self.log("train/score", 0.5)


VALIDATED = {"limit_val_batches": 1, "val_check_interval": 3, "check_val_every_n_epoch": None}


def fit(folder, steps, *, resume=None, killed_at=-1, logs_at=range(100), scored_at=-1, accumulate=1, **settings):
    module = Falling()
    module.killed_at, module.logs_at, module.scored_at = killed_at, logs_at, scored_at
    options = {"enable_checkpointing": True, "accumulate_grad_batches": accumulate, **VALIDATED}
    options["val_check_interval"] *= accumulate
    data = loader(first=step_of(resume) * accumulate if resume else 0)
    fitting = trainer(folder, steps, [Checkpoints(**settings), Position()], [MetricsFile(folder)], **options)
    fitting.fit(module, data, loader(), ckpt_path=resume, weights_only=True)
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


def test_a_later_checkpoint_that_was_passed_over_does_not_count_among_those_that_are_kept(tmp_path):
    fit(tmp_path, 9, every_n_steps=3, keep=2)
    first = whole_checkpoints(Run(tmp_path).checkpoints)[0]
    fit(tmp_path, 7, every_n_steps=100, keep=1, resume=first)
    assert steps_in(tmp_path) == [7, 9]


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize(("every", "killed_at"), [(3, 3), (3, 6), (2, 6), (4, 9)])
def test_a_training_that_is_killed_while_it_validates_lacks_nothing_afterwards(tmp_path, every, killed_at, accumulate):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    fit(whole, 16, every_n_steps=every, accumulate=accumulate)
    with pytest.raises(Killed):
        fit(cut, 16, every_n_steps=every, killed_at=killed_at, accumulate=accumulate)
    for again in (12, 16):  # after a validation the training ends, and is then extended
        resume = Run(cut).latest()
        assert again > killed_at > (step_of(resume) if resume and again == 12 else 0)
        fit(cut, again, every_n_steps=every, resume=resume, accumulate=accumulate)
    assert Run(cut).metrics.read_text().splitlines() == Run(whole).metrics.read_text().splitlines()
    assert steps_in(cut) == steps_in(whole)


def test_a_kill_between_the_best_value_and_its_checkpoint_is_made_good(tmp_path, monkeypatch):
    def kill(*_, **__):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("lightning.pytorch.Trainer.save_checkpoint", kill)
        fit(tmp_path, 13, every_n_steps=100, keep=1, monitor="val/score", mode="max")
    assert Run(tmp_path).best() is None
    fit(tmp_path, 13, every_n_steps=100, keep=1, monitor="val/score", mode="max")
    assert step_of(Run(tmp_path).best()) == 3


def test_the_best_by_validation_is_kept_beside_the_newest(tmp_path):
    fit(tmp_path, 13, every_n_steps=100, keep=1, monitor="val/score", mode="max")
    run = Run(tmp_path)
    assert steps_in(tmp_path) == [3, 13]
    assert step_of(run.best()) == 3
    assert step_of(run.latest()) == 13


@pytest.mark.parametrize(("mode", "best"), [(None, 9), ("min", 9), ("max", 3)])
def test_the_lowest_loss_is_the_best_unless_told_otherwise(tmp_path, mode, best):
    fit(tmp_path, 10, every_n_steps=100, monitor="val/loss", mode=mode)  # it falls
    assert step_of(Run(tmp_path).best()) == best


def test_a_metric_whose_name_has_no_direction_is_refused_without_one(tmp_path):
    with pytest.raises(ValueError, match=r"^callback\.checkpoints\.monitor=val/score: .*mode=max or min$"):
        fit(tmp_path, 3, monitor="val/score")
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_metric_that_no_validation_logs_has_no_best_and_a_line_says_so(tmp_path, caplog):
    fit(tmp_path, 3, monitor="val/psnr", every_n_steps=100)
    assert Run(tmp_path).best_record is None
    assert "callback.checkpoints.monitor=val/psnr: no validation logged it" in caplog.text


def test_a_validation_that_does_not_measure_it_is_no_better_than_the_last_that_did(tmp_path):
    """Lightning keeps the old value in between."""
    fit(tmp_path, 13, logs_at={6, 9}, monitor="val/score", mode="min", every_n_steps=100)
    assert step_of(Run(tmp_path).best()) == 9
    assert steps_in(tmp_path) == [9, 13]


def test_a_metric_of_training_steps_chooses_alike_where_it_was_logged_before_a_resume(tmp_path):
    watching = {"monitor": "train/score", "mode": "max", "every_n_steps": 100, "scored_at": 4}
    fit(tmp_path / "whole", 7, **watching)
    fit(tmp_path / "cut", 5, **watching)
    assert Run(tmp_path / "cut").best_record is None
    fit(tmp_path / "cut", 7, resume=Run(tmp_path / "cut").latest(), **watching)
    whole, cut = (Run(tmp_path / name).best_record for name in ("whole", "cut"))
    assert whole == cut
    assert (cut["checkpoint"], cut["value"]) == ("step-00000006.ckpt", 0.5)


def test_an_interval_of_zero_is_refused():
    with pytest.raises(ValueError, match="every_n_steps=0"):
        Checkpoints(every_n_steps=0)
