"""The first training batch as the network sees it, so that a wrong crop, colour or caption is seen at once."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import UInt8
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from darkroom.conditioning.words import heard
from darkroom.contracts import Batch, LatentBatch
from darkroom.runs.trainer import log_pictures


@runtime_checkable
class ShowsBatch(Protocol):
    """A stage that turns the first ``n`` of a batch into pictures, such as latents through the decoder."""

    def pictures(self, batch: Batch | LatentBatch, n: int) -> UInt8[Tensor, "n 3 H W"]: ...


class FirstBatch(Callback):
    """Logs up to ``n`` pictures of the batch of step 0, with the captions or labels that are read, as ``first_batch``.

    An autoencoder reads none, and its augmentation may make them wrong, as where colours are permuted.
    Of several processes the first alone makes them, in the training's precision.
    """

    def __init__(self, n: int = 16) -> None:
        self._n = n

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step > 0 or batch_idx > 0 or not trainer.is_global_zero:
            return
        if isinstance(pl_module, ShowsBatch):
            with trainer.precision_plugin.forward_context():
                pictures = pl_module.pictures(batch, self._n)
        elif isinstance(batch, Batch):
            pictures = batch.image[: self._n]
        else:
            return
        words = heard(pl_module, batch.prompts)
        log_pictures(trainer, "first_batch", pictures, words and words[: self._n], step=0)
