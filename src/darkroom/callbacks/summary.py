"""Keeps summary.json up to date: after every validation and at the end, also where a signal or an error ends it."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from darkroom.runs.machine import peak_memory
from darkroom.runs.summary import parameter_counts, provenance, update_summary
from darkroom.runs.trainer import run_of


class Summary(Callback):
    """Writes the last value of every metric, ``seconds`` over all parts of a resumed run, and where the run came from.

    ``finished`` is true once all is there that the training leaves, its last checkpoint and an autoencoder's artifact;
    ``closed``, which ``commands/fit.py`` sets, once the loggers have it too: a kill in between leaves work to them.
    What a kill undid counts neither in ``seconds`` nor in ``pictures``.
    ``pictures_per_second`` is that of the whole training, first step and validations included: what a user waited.
    """

    def __init__(self) -> None:
        self._since: float | None = None  # None until the training starts
        self._pictures, self._seconds = 0, 0.0  # of the parts before, up to the checkpoint that this one came from

    def refuse(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises ValueError where the run's summary.json is damaged."""
        _ = run_of(trainer).summary

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._since = time.monotonic()
        facts = {**provenance(pl_module.device), **parameter_counts(pl_module), "finished": False, "closed": False}
        self._write(trainer, pl_module, facts)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._pictures += len(batch) * trainer.world_size

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._since is not None and not trainer.sanity_checking:
            self._write(trainer, pl_module, {})

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._write(trainer, pl_module, {})

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Lightning has the last checkpoint saved after every ``on_train_end``, and an artifact follows it.

        A run that was killed in between comes here too when it is resumed, without a step left to train.
        """
        if trainer.is_global_zero:
            update_summary(run_of(trainer), {"finished": True})

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self._since is not None:
            self._write(trainer, pl_module, {})

    def state_dict(self) -> dict[str, Any]:
        return {"pictures": self._pictures, "seconds": self._seconds_so_far()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._pictures, self._seconds = state_dict["pictures"], state_dict["seconds"]

    def _seconds_so_far(self) -> float:
        return self._seconds + (0.0 if self._since is None else time.monotonic() - self._since)

    def _write(self, trainer: Trainer, pl_module: LightningModule, facts: dict[str, Any]) -> None:
        if not trainer.is_global_zero:
            return
        assert self._since is not None
        seconds = self._seconds_so_far()
        running = {
            "step": trainer.global_step,
            "seconds": round(seconds, 3),
            "pictures": self._pictures,
            "pictures_per_second": round(self._pictures / seconds, 3) if self._pictures else None,
            "peak_memory_gb": round(peak_memory(pl_module.device) / 1e9, 3),
        }
        update_summary(run_of(trainer), {**dict(trainer.callback_metrics), **running, **facts})
