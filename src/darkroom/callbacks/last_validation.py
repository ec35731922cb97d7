"""A validation after the last step, wherever that lies between two others."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class LastValidation(Callback):
    """What a training reached is what its last step reached: ``summary.json`` tells that, and a grid shows it.

    Lightning validates at multiples of ``val_check_interval`` alone.
    """

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Lightning asks next whether to validate."""
        if trainer.global_step >= trainer.max_steps:
            trainer.val_check_batch = 1  # every batch; there is no further one
