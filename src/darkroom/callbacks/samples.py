"""Samples while the denoiser trains: always the same prompts and the same keys, so that a series can be compared."""

import logging
from typing import Protocol, runtime_checkable

import torch
from lightning.pytorch import LightningModule, Trainer

from darkroom.callbacks.cost import Costly
from darkroom.conditioning.words import heard
from darkroom.contracts import Prompts
from darkroom.generation.generator import Generator, NotFinite
from darkroom.keys import keys
from darkroom.runs.trainer import log_pictures

_log = logging.getLogger(__name__)


@runtime_checkable
class Generates(Protocol):
    """A stage that draws pictures with the weights as they stand."""

    def generator(self) -> Generator: ...


class Samples(Costly):
    """Logs ``n`` samples under the conditions of the first validation pictures, as far as the model reads them.

    At every validation, which runs on the averaged weights; so do these. ``speed/samples_share`` is the share of the
    training's time that they took.

    Args:
        n, seed: pictures of a grid, and what their noise is of.
        max_share: bound on that share; see :class:`Cost`. The last step's grid is always there.
    """

    share_name = "speed/samples_share"

    def __init__(self, n: int = 16, seed: int = 0, max_share: float | None = None) -> None:
        super().__init__(max_share)
        self._n, self._seed = n, seed

    @property
    def metric_names(self) -> tuple[str, ...]:
        """What it logs."""
        return (self.share_name,)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or not isinstance(pl_module, Generates) or not self._cost.allows(trainer):
            return
        with self._cost.counted():
            if trainer.is_global_zero:
                self._draw(trainer, pl_module)
            trainer.strategy.barrier()  # the others wait for the first anyway; here it counts, and all have one share
        self._log(trainer, pl_module, {})

    def _draw(self, trainer: Trainer, pl_module: Generates) -> None:
        validation = trainer.datamodule.validation  # type: ignore[attr-defined]
        places = range(min(self._n, len(validation)))  # not the prompts' length: data without conditions has none
        prompts: Prompts = validation.prompts[places].to(trainer.strategy.root_device)
        start = keys(seed=self._seed, purpose="sample", places=places)
        generator = pl_module.generator()
        try:
            pictures = torch.cat(list(generator(prompts, start, batch_size=self._n)))
        except NotFinite as error:
            _log.warning("step %d: there are no samples, %s", trainer.global_step, error)
            return
        log_pictures(trainer, "samples", pictures, heard(generator.model.conditioner, prompts), trainer.global_step)
