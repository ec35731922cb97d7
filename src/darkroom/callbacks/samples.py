"""Samples while the denoiser trains: always the same prompts and the same keys, so that a series can be compared."""

from typing import Protocol, runtime_checkable

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from darkroom.callbacks.first_batch import captions
from darkroom.contracts import Prompts
from darkroom.generation.generator import Generator
from darkroom.keys import keys
from darkroom.runs.pictures import log_pictures


@runtime_checkable
class Generates(Protocol):
    """A stage that draws pictures with the weights as they stand."""

    def generator(self) -> Generator: ...


class Samples(Callback):
    """Logs ``n`` samples under the conditions of the first validation pictures, at every validation.

    Validation runs on the averaged weights, and so do these.
    """

    def __init__(self, n: int = 16, seed: int = 0) -> None:
        self._n, self._seed = n, seed

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or not trainer.is_global_zero or not isinstance(pl_module, Generates):
            return
        prompts = self._prompts(trainer).to(pl_module.device)
        start = keys(seed=self._seed, purpose="sample", places=range(len(prompts)))
        pictures = torch.cat(list(pl_module.generator()(prompts, start, batch_size=self._n)))
        log_pictures(trainer, "samples", pictures, captions(prompts, len(pictures)), trainer.global_step)

    def _prompts(self, trainer: Trainer) -> Prompts:
        validation = trainer.datamodule.validation  # type: ignore[attr-defined]
        return validation.prompts[range(min(self._n, len(validation)))]
