"""Ends an autoencoder's training: measures the latents and writes the first-stage artifact."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from darkroom.autoencoding.first_stage import has_weights, write_artifact
from darkroom.autoencoding.latent_statistics import LatentStatistics
from darkroom.autoencoding.model import Autoencoder
from darkroom.callbacks.ema import averaged
from darkroom.contracts import PictureSource, to_float
from darkroom.data.latents import MICRO_BATCH
from darkroom.runs.trainer import run_of


class Artifact(Callback):
    """Writes ``first_stage/`` of the run from the averaged weights and up to ``max_pictures`` training pictures.

    The pictures are spread evenly over the training set, which may be sorted by class.

    An autoencoder that is trained on writes ``first_stage-<step>/`` beside it and leaves the old to those who use it.

    Args:
        config: the node that builds the autoencoder.
        source: where the pictures come from.
        max_pictures: at 64 places or more in each, a few thousand tell mean and deviation well enough.
    """

    def __init__(self, *, config: Mapping[str, Any], source: PictureSource, max_pictures: int = 10_000) -> None:
        self._config, self._source, self._max_pictures = config, source, max_pictures

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After the last checkpoint: a run killed in between is resumed with no step left and comes here too.

        Lightning has moved the model to the CPU by then; pictures are encoded, and sums exchanged, on the device.
        """
        if trainer.global_step < trainer.max_steps:
            return
        autoencoder = pl_module.model
        assert isinstance(autoencoder, Autoencoder)
        autoencoder.to(trainer.strategy.root_device)
        with averaged(trainer, pl_module):
            if not trainer.strategy.broadcast(self._is_written(trainer, autoencoder)):
                self._write(trainer, autoencoder.eval())
        trainer.strategy.barrier()

    def _is_written(self, trainer: Trainer, autoencoder: Autoencoder) -> bool:
        """Whether an artifact of the run has these very weights already."""
        folder = run_of(trainer).first_stage
        return any(has_weights(each, autoencoder.state_dict()) for each in folder.parent.glob(f"{folder.name}*"))

    def _write(self, trainer: Trainer, autoencoder: Autoencoder) -> None:
        statistics = self._measure(trainer, autoencoder)
        if trainer.is_global_zero:
            write_artifact(
                self._folder(trainer),
                config=self._config,
                autoencoder=autoencoder,
                weights=autoencoder.state_dict(),
                statistics=statistics,
                resolution=self._source.resolution,
                fingerprint=self._source.fingerprint,
                step=trainer.global_step,
            )

    @torch.inference_mode()
    def _measure(self, trainer: Trainer, autoencoder: Autoencoder) -> LatentStatistics:
        pictures = self._source.split("train")
        statistics = LatentStatistics(autoencoder.latent_channels)
        device = trainer.strategy.root_device
        size = min(len(pictures), self._max_pictures)
        spread = [k * len(pictures) // size for k in range(size)]
        for start in range(trainer.global_rank * MICRO_BATCH, size, trainer.world_size * MICRO_BATCH):
            image = pictures.oriented(spread[start : start + MICRO_BATCH], mirrored=False)
            statistics.update(autoencoder.encode(to_float(image.to(device))))
        statistics.reduce(lambda sums: trainer.strategy.reduce(sums.to(device), reduce_op="sum"))
        return statistics

    def _folder(self, trainer: Trainer) -> Path:
        first = run_of(trainer).first_stage
        return first.with_name(f"{first.name}-{trainer.global_step:08d}") if first.exists() else first
