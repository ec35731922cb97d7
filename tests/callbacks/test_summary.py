import pytest
from lightning.pytorch import Callback
from trainers import Tiny, loader, trainer

from darkroom.callbacks.checkpoints import Checkpoints
from darkroom.callbacks.summary import Summary
from darkroom.runs.checkpoint import step_of
from darkroom.runs.checkpoint_io import AtomicCheckpointIO
from darkroom.runs.folder import Run
from darkroom.runs.summary import update_summary


def fit(folder, steps, resume=None, every=100, more=()):
    options = {"limit_val_batches": 1, "val_check_interval": 2, "check_val_every_n_epoch": None}
    callbacks = [Summary(), *more, Checkpoints(every)]
    engine = trainer(folder, steps, callbacks, enable_checkpointing=True, **options)
    engine.fit(Tiny(), loader(), loader(), ckpt_path=resume, weights_only=True)
    return Run(folder).summary


def test_the_summary_holds_final_metrics_and_what_they_cost(tmp_path):
    summary = fit(tmp_path, 4)
    assert {"train/loss", "val/loss", "git_commit", "device", "peak_memory_gb", "version/torch"} <= set(summary)
    assert (summary["step"], summary["pictures"], summary["finished"]) == (4, 16, True)
    assert summary["parameters"] == 192 * 8 + 8
    assert summary["seconds"] > 0


def test_a_training_whose_last_checkpoint_finds_no_room_is_not_finished(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", full)
    with pytest.raises(OSError, match="full"):
        fit(tmp_path, 4)
    assert (Run(tmp_path).summary["step"], Run(tmp_path).summary["finished"]) == (4, False)


def test_a_training_is_finished_once_its_artifact_may_be_there(tmp_path):
    class Last(Callback):
        def on_fit_end(self, trainer, module):  # noqa: ARG002
            seen.append((step_of(Run(tmp_path).latest()), Run(tmp_path).summary["finished"]))

    seen = []
    assert fit(tmp_path, 4, more=[Last()])["finished"] is True
    assert seen == [(4, False)]


def test_a_run_that_was_killed_after_its_last_checkpoint_is_finished_without_a_step(tmp_path):
    before = fit(tmp_path, 4)
    update_summary(Run(tmp_path), {"finished": False})
    assert fit(tmp_path, 4, resume=Run(tmp_path).latest()) == before


def test_a_resumed_run_adds_up_its_time_and_pictures(tmp_path):
    first = fit(tmp_path, 2)
    second = fit(tmp_path, 6, resume=Run(tmp_path).latest())
    assert (second["step"], second["pictures"]) == (6, 24)
    assert second["seconds"] > first["seconds"]


def test_a_run_begun_again_from_step_0_counts_anew(tmp_path):
    fit(tmp_path, 4)
    assert fit(tmp_path, 2)["pictures"] == 8


def test_what_was_done_after_the_checkpoint_is_not_counted_twice(tmp_path):
    fit(tmp_path, 5, every=2)
    Run(tmp_path).latest().unlink()  # as if the run had been killed at step 5
    assert step_of(Run(tmp_path).latest()) == 4
    summary = fit(tmp_path, 6, resume=Run(tmp_path).latest())
    assert (summary["step"], summary["pictures"]) == (6, 24)


def test_each_validation_is_in_the_file_before_the_next_step(tmp_path):
    class Reader(Callback):
        def on_train_batch_start(self, trainer, module, batch, place):  # noqa: ARG002
            seen.append((trainer.global_step, "val/loss" in Run(tmp_path).summary, Run(tmp_path).summary["step"]))

    seen = []
    fit(tmp_path, 5, more=[Reader()])
    assert seen == [(0, False, 0), (1, False, 0), (2, True, 2), (3, True, 2), (4, True, 4)]
