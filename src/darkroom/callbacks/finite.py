"""Steps whose loss or gradient is not finite are skipped, and too many in a row end the run and keep their batch."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

import logging
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from darkroom.callbacks.gradient_norm import gradient_norm
from darkroom.runs.failure import Failure, positions, save_failure
from darkroom.runs.trainer import log_every, run_of

_SHOWN = 8  # pictures in the message
_log = logging.getLogger(__name__)


class Finite(Callback):
    """Skips a step whose gradient is NaN or infinite: weights and optimizer stay, step and learning rate go on.

    A stage makes the whole gradient NaN where its loss is not finite (``Stage.training_step``), and the norm is taken
    over all processes: they decide alike without another word. Skipping waits for no device: a fused optimizer reads
    ``found_inf`` on its own. The count is read at each step on a CPU, and elsewhere with the logs: there the step that
    is named, and the batch that is kept, are those of the log, and a row that has ended by then is only warned of.

    Args:
        max_skipped: so many steps in a row may be skipped; at one more the run stops with a ValueError that names step
            and pictures, and ``failure-<step>-<process>.pt`` in the run's folder (``darkroom.runs.failure``) holds the
            batch with the weights that met it.
    """

    def __init__(self, max_skipped: int = 5) -> None:
        if max_skipped < 0:
            raise ValueError(f"callback.finite.max_skipped={max_skipped}: must be at least 0")
        self._most = max_skipped
        self._skipped: Tensor | None = None  # steps in a row
        self._longest: Tensor | None = None  # row since it was last read
        self._batches: list[Any] = []  # of the present step

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._batches = []
        self._batches.append(batch)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """After the gradient's norm is known: this callback stands below GradientNorm."""
        bad = ~gradient_norm(trainer, optimizer).isfinite()
        before = torch.zeros_like(bad, dtype=torch.int64) if self._skipped is None else self._skipped.to(bad.device)
        self._skipped = torch.where(bad, before + 1, 0)
        self._longest = self._skipped if self._longest is None else torch.maximum(self._longest, self._skipped)
        _skip(optimizer, bad)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches or self._longest is None:
            return
        if pl_module.device.type != "cpu" and trainer.global_step % log_every(trainer):
            return
        assert self._skipped is not None  # counted with the longest
        skipped, longest, self._longest = int(self._skipped), int(self._longest), None
        step = trainer.global_step - 1
        if longest:
            _log.warning("by step %d: skipped %d in a row, since the loss or gradient is not finite", step, longest)
        if skipped > self._most:
            self._stop(trainer, pl_module, skipped)

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": 0 if self._skipped is None else int(self._skipped)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._skipped = torch.tensor(state_dict["skipped"])

    def _stop(self, trainer: Trainer, pl_module: LightningModule, skipped: int) -> None:
        step = trainer.global_step - 1
        path = run_of(trainer).failure(step, trainer.global_rank)
        save_failure(path, Failure(step, tuple(self._batches), pl_module.state_dict()))
        trainer.strategy.barrier()  # all are here; the first to raise ends the others, even in mid-write
        indices, places = positions(self._batches)
        more = f" and {len(indices) - _SHOWN} more" if len(indices) > _SHOWN else ""
        raise ValueError(
            f"the loss or its gradient is not finite at step {step}, the last of {skipped} in a row that were skipped "
            f"(callback.finite.max_skipped={self._most}): places {places[0]} to {places[-1]}, pictures "
            f"{', '.join(map(str, indices[:_SHOWN]))}{more}; batch and weights lie in {path}, "
            "optimizer.lr and trainer.precision are the usual causes"
        )


def _skip(optimizer: Optimizer, bad: Tensor) -> None:
    """Let the step that follows change nothing where ``bad``."""
    if optimizer.defaults.get("fused"):
        optimizer.found_inf = bad.float()  # type: ignore[attr-defined]  # torch's own way for its gradient scaler
    elif bad:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
