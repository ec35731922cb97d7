"""Checkpoints every n optimizer steps and at the end; the last few are kept, and the best where a metric is watched."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from darkroom.callbacks.between_steps import save_between_steps
from darkroom.runs.checkpoint import checkpoint_path, whole_checkpoints
from darkroom.runs.folder import Run


class Checkpoints(Checkpoint):
    """Keeps its books in the folder alone, so that resuming restores nothing and a moved run goes on.

    Lightning's ModelCheckpoint stores absolute paths in each checkpoint, does not save the last step unless it happens
    to fall on the interval, and writes ``last.ckpt`` as a second copy: hence this one.
    """

    def __init__(
        self,
        every_n_steps: int = 1000,
        keep: int = 2,  # newest; two, so that one is whole while the other is written
        monitor: str | None = None,  # a validation metric; None: the newest is the best
        mode: Literal["min", "max"] = "max",
    ) -> None:
        for name, value in {"every_n_steps": every_n_steps, "keep": keep}.items():
            if value < 1:
                raise ValueError(f"{name}={value} of the callback Checkpoints must be at least 1")
        self._every, self._keep = every_n_steps, keep
        self._monitor, self._sign = monitor, 1 if mode == "max" else -1
        self._saved = -1
        self._best: float | None = None  # a value that the next checkpoint is to be remembered for

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved = trainer.global_step  # of the checkpoint that a resumed run came from

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        due = trainer.global_step % self._every == 0 or self._best is not None
        if due and trainer.global_step != self._saved:
            self._keep_record(trainer)
            save_between_steps(trainer)
            self._has_saved(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._monitor is None or trainer.sanity_checking:
            return
        if self._monitor not in trainer.callback_metrics:
            known = sorted(trainer.callback_metrics)
            raise ValueError(f"monitor={self._monitor} of the callback Checkpoints is not logged; logged are {known}")
        value = trainer.callback_metrics[self._monitor].item()
        if trainer.strategy.broadcast(self._is_better(trainer, value)):  # of rank 0: all save, or none
            self._best = value

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step != self._saved:
            self._keep_record(trainer)
            trainer.save_checkpoint(_path(trainer), weights_only=False)  # a collective: every rank takes part
            self._has_saved(trainer)

    def _keep_record(self, trainer: Trainer) -> None:
        """Before the checkpoint itself: a run that is killed in between validates this step again and comes back."""
        if self._best is not None and trainer.is_global_zero:
            assert self._monitor is not None
            _run(trainer).write_best(_path(trainer), self._monitor, self._best)

    def _has_saved(self, trainer: Trainer) -> None:
        self._saved, self._best = trainer.global_step, None
        if trainer.is_global_zero:
            self._clean(_run(trainer))

    def _is_better(self, trainer: Trainer, value: float) -> bool:
        record = _run(trainer).best_record
        again = record is not None and record["checkpoint"] == _path(trainer).name
        return record is None or again or self._sign * value > self._sign * record["value"]

    def _clean(self, run: Run) -> None:
        whole = whole_checkpoints(run.checkpoints)
        for path in whole[: -self._keep]:
            if path != run.best():
                path.unlink()
        for draft in run.checkpoints.glob(".step-*.tmp"):  # of a run that was killed while it wrote
            draft.unlink()


def _run(trainer: Trainer) -> Run:
    return Run(Path(trainer.default_root_dir))


def _path(trainer: Trainer) -> Path:
    return checkpoint_path(_run(trainer).checkpoints, trainer.global_step)
