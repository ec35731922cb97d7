"""Validation pictures beside what the autoencoder makes of them."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import UInt8
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from darkroom.runs.pictures import log_pictures


@runtime_checkable
class Reconstructs(Protocol):
    """A stage that can be shown pictures and answers what it makes of them."""

    def reconstruct(self, image: UInt8[Tensor, "b 3 H W"]) -> UInt8[Tensor, "b 3 H W"]: ...


class Reconstructions(Callback):
    """Logs up to ``n`` pictures of the first validation batch, each followed by its reconstruction, each time."""

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
        if batch_idx > 0 or trainer.sanity_checking or not isinstance(pl_module, Reconstructs):
            return
        image = batch.image[: self._n]
        with trainer.precision_plugin.val_step_context():
            pairs = torch.stack([image, pl_module.reconstruct(image)], dim=1).flatten(0, 1)
        captions = [
            f"{kind} {index}" for index in batch.index[: self._n].tolist() for kind in ("picture", "reconstruction")
        ]
        log_pictures(trainer, "reconstructions", pairs, captions, trainer.global_step)
