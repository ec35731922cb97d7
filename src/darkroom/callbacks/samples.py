"""Samples while the denoiser trains: always the same prompts and the same keys, so that a series can be compared."""

import logging
from typing import Protocol, runtime_checkable

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from darkroom.conditioning.words import heard
from darkroom.contracts import Prompts
from darkroom.generation.generator import Generator, NotFinite
from darkroom.keys import keys
from darkroom.runs.pictures import log_pictures

_log = logging.getLogger(__name__)


@runtime_checkable
class Generates(Protocol):
    """A stage that draws pictures with the weights as they stand."""

    def generator(self) -> Generator: ...


class Samples(Callback):
    """Logs ``n`` samples under the conditions of the first validation pictures, as far as the model reads them.

    At every validation, which runs on the averaged weights; so do these.
    """

    def __init__(self, n: int = 16, seed: int = 0) -> None:
        self._n, self._seed = n, seed

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or not trainer.is_global_zero or not isinstance(pl_module, Generates):
            return
        validation = trainer.datamodule.validation  # type: ignore[attr-defined]
        places = range(min(self._n, len(validation)))  # not the prompts' length: data without conditions has none
        prompts: Prompts = validation.prompts[places].to(pl_module.device)
        start = keys(seed=self._seed, purpose="sample", places=places)
        generator = pl_module.generator()
        try:
            pictures = torch.cat(list(generator(prompts, start, batch_size=self._n)))
        except NotFinite as error:
            _log.warning("step %d: there are no samples, %s", trainer.global_step, error)
            return
        log_pictures(trainer, "samples", pictures, heard(generator.model.conditioner, prompts), trainer.global_step)
