"""Checkpoints every n optimizer steps and at the end; the last few are kept, and the best where a metric is watched."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

import logging
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from darkroom.contracts import PictureSource
from darkroom.metrics.better import less_is_better
from darkroom.runs.checkpoint import checkpoint_path, step_of, whole_checkpoints
from darkroom.runs.folder import Run

_log = logging.getLogger(__name__)


@runtime_checkable
class Measuring(Protocol):
    """A stage or a callback that says what it logs before it does: only that can be watched."""

    @property
    def metric_names(self) -> Collection[str]: ...


@runtime_checkable
class Refusing(Protocol):
    """A callback that says what it cannot work with before the training begins; raises ValueError with one line."""

    def refuse(self, trainer: Trainer, pl_module: LightningModule) -> None: ...


@runtime_checkable
class Counting(Protocol):
    """A callback that knows, before the training begins, which splits are too small for it; refuses as above."""

    def refuse_few(self, stage: LightningModule, source: PictureSource) -> None: ...


class Checkpoints(Checkpoint):
    """Keeps its books in the folder, so that a moved run goes on; a checkpoint holds what was watched last alone.

    Lightning's ModelCheckpoint stores absolute paths in each checkpoint, does not save the last step unless it happens
    to fall on the interval, and writes ``last.ckpt`` as a second copy: hence this one.
    """

    def __init__(
        self,
        every_n_steps: int = 1000,
        keep: int = 2,  # newest; two, so that one is whole while the other is written
        monitor: str | None = None,  # a metric, whose last value is compared at validations; None keeps no best
        mode: Literal["min", "max"] | None = None,  # which of its values is best; None goes by its name
    ) -> None:
        for name, value in {"every_n_steps": every_n_steps, "keep": keep}.items():
            if value < 1:
                raise ValueError(f"{name}={value} of the callback Checkpoints must be at least 1")
        self._every, self._keep = every_n_steps, keep
        self.monitor = monitor
        less = less_is_better(monitor or "") if mode is None else mode == "min"
        self._sign = None if less is None else -1 if less else 1
        self._saved = 0
        self._best: float | None = None  # a value that the next checkpoint is to be remembered for
        self._watched: float | None = None  # the metric's value before the run was resumed

    def refuse(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises ValueError for a metric without a direction, and where the run's best.json is damaged.

        Each save asks there which checkpoint may not go.
        """
        if self.monitor is not None and self._sign is None:
            raise ValueError(
                f"callback.checkpoints.monitor={self.monitor}: its name does not tell whether more or less of it is "
                "better; give callback.checkpoints.mode=max or min"
            )
        _ = _run(trainer).best_record

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.refuse(trainer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved = trainer.global_step  # of the checkpoint that a resumed run came from

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Here the last step is logged and validated: a run that was saved before that and killed would lack it."""
        if trainer.global_step % self._every == 0 or self._best is not None:
            self.save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        value = self._value(trainer)  # an earlier validation's where this one has none: no better
        if value is None or trainer.sanity_checking:
            return
        if trainer.strategy.broadcast(self._is_better(trainer, value)):  # of rank 0: all save, or none
            self._best = value

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.save(trainer)
        if self.monitor is not None and trainer.is_global_zero and _run(trainer).best_record is None:
            _log.warning("callback.checkpoints.monitor=%s: no validation logged it, so there is no best", self.monitor)

    def save(self, trainer: Trainer) -> None:
        """Saves the present step, on all processes, unless it is saved; to be called between two steps."""
        if trainer.global_step == self._saved:
            return
        if self._best is not None and trainer.is_global_zero:
            assert self.monitor is not None
            # before the checkpoint: a run that is killed in between validates this step again and comes back here
            _run(trainer).write_best(_path(trainer), self.monitor, self._best)
        self._watched = self._value(trainer)
        trainer.save_checkpoint(_path(trainer), weights_only=False)  # a collective: every rank takes part
        self._saved, self._best = trainer.global_step, None
        if trainer.is_global_zero:
            self._clean(_run(trainer))

    def state_dict(self) -> dict[str, Any]:
        return {"monitor": self.monitor, "watched": self._watched}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._watched = state_dict["watched"] if state_dict["monitor"] == self.monitor else None

    def _value(self, trainer: Trainer) -> float | None:
        """The watched metric's last value."""
        found = None if self.monitor is None else trainer.callback_metrics.get(self.monitor)
        return self._watched if found is None else found.item()

    def _is_better(self, trainer: Trainer, value: float) -> bool:
        assert self._sign is not None  # else it was refused
        record = _run(trainer).best_record
        again = record is not None and record["checkpoint"] == _path(trainer).name
        return record is None or again or math.isnan(record["value"]) or self._sign * (value - record["value"]) > 0

    def _clean(self, run: Run) -> None:
        """Of those up to this step: later ones were passed over as damaged, and may not stand for whole ones."""
        whole = [path for path in whole_checkpoints(run.checkpoints) if step_of(path) <= self._saved]
        for path in whole[: -self._keep]:
            if path != run.best():
                path.unlink()


def _run(trainer: Trainer) -> Run:
    return Run(Path(trainer.default_root_dir))


def _path(trainer: Trainer) -> Path:
    return checkpoint_path(_run(trainer).checkpoints, trainer.global_step)
