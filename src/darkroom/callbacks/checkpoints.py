"""Checkpoints every n optimizer steps and at the end; the last few are kept, and the best where a metric is watched."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

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

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved = trainer.global_step  # of the checkpoint that a resumed run came from

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step % self._every == 0:
            self._save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._monitor is None or trainer.sanity_checking:
            return
        if self._monitor not in trainer.callback_metrics:
            known = sorted(trainer.callback_metrics)
            raise ValueError(f"monitor={self._monitor} of the callback Checkpoints is not logged; logged are {known}")
        value = trainer.callback_metrics[self._monitor].item()
        run = _run(trainer)
        if not trainer.strategy.broadcast(self._is_better(run, value)):  # of rank 0: all save, or none
            return
        path = self._save(trainer)
        if trainer.is_global_zero:
            run.write_best(path, self._monitor, value)
            self._clean(run)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save(trainer)

    def _save(self, trainer: Trainer) -> Path:
        run = _run(trainer)
        path = checkpoint_path(run.checkpoints, trainer.global_step)
        if trainer.global_step != self._saved:
            trainer.save_checkpoint(path, weights_only=False)  # a collective: every rank takes part
            self._saved = trainer.global_step
            if trainer.is_global_zero:
                self._clean(run)
        return path

    def _is_better(self, run: Run, value: float) -> bool:
        record = run.best_record
        return record is None or self._sign * value > self._sign * record["value"]

    def _clean(self, run: Run) -> None:
        whole = whole_checkpoints(run.checkpoints)
        for path in whole[: -self._keep]:
            if path != run.best():
                path.unlink()
        for draft in run.checkpoints.glob(".step-*.tmp"):  # of a run that was killed while it wrote
            draft.unlink()


def _run(trainer: Trainer) -> Run:
    return Run(Path(trainer.default_root_dir))
