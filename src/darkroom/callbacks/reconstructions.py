"""Validation pictures beside what the autoencoder makes of them."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from math import ceil, sqrt
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from darkroom.runs.trainer import log_pictures


class Reconstructions(Callback):
    """Logs up to ``n`` pictures of the first validation batch, each followed by its reconstruction, each time.

    For stages whose validation step answers the reconstructions.
    """

    def __init__(self, n: int = 8) -> None:
        self._n = n

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx > 0 or trainer.sanity_checking or not isinstance(outputs, Tensor):
            return
        image = batch.image[: self._n]
        pairs = torch.stack([image, outputs[: self._n]], dim=1).flatten(0, 1)
        captions = [
            f"{kind} {index}" for index in batch.index[: self._n].tolist() for kind in ("picture", "reconstruction")
        ]
        columns = 2 * ceil(sqrt(len(pairs)) / 2)  # an even number: no row ends within a pair
        log_pictures(trainer, "reconstructions", pairs, captions, trainer.global_step, columns)
