"""Ends an autoencoder's training: measures the latents and writes the first-stage artifact."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from darkroom.autoencoding.first_stage import write_artifact
from darkroom.autoencoding.latent_statistics import LatentStatistics
from darkroom.callbacks.ema import averaged
from darkroom.contracts import PictureSource, to_float
from darkroom.data.latents import MICRO_BATCH
from darkroom.runs.folder import Run


class Artifact(Callback):
    """Writes ``first_stage/`` of the run from the averaged weights and up to ``max_pictures`` training pictures.

    An autoencoder that is trained on writes ``first_stage-<step>/`` beside it, never over it: runs may build on the old.

    Args:
        config: the node that builds the autoencoder.
        source: where the pictures come from.
    """

    def __init__(self, *, config: Mapping[str, Any], source: PictureSource, max_pictures: int = 50_000) -> None:
        self._config, self._source, self._max_pictures = config, source, max_pictures

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.interrupted or trainer.global_step < trainer.max_steps:
            return
        with averaged(trainer, pl_module):
            statistics = self._measure(trainer, pl_module)
            if trainer.is_global_zero:
                write_artifact(
                    self._folder(trainer),
                    config=self._config,
                    autoencoder=pl_module.model,
                    weights=pl_module.model.state_dict(),
                    statistics=statistics,
                    resolution=self._source.resolution,
                    fingerprint=self._source.fingerprint,
                )
        trainer.strategy.barrier()

    @torch.inference_mode()
    def _measure(self, trainer: Trainer, pl_module: LightningModule) -> LatentStatistics:
        pictures = self._source.split("train")
        statistics = LatentStatistics(pl_module.model.latent_channels)
        size = min(len(pictures), self._max_pictures)
        for start in range(trainer.global_rank * MICRO_BATCH, size, trainer.world_size * MICRO_BATCH):
            image = pictures.oriented(range(start, min(start + MICRO_BATCH, size)), mirrored=False)
            statistics.update(pl_module.model.encode(to_float(image.to(pl_module.device))))
        statistics.reduce(lambda sums: trainer.strategy.reduce(sums.to(pl_module.device), reduce_op="sum"))
        return statistics

    def _folder(self, trainer: Trainer) -> Path:
        first = Run(Path(trainer.default_root_dir)).first_stage
        return first.with_name(f"{first.name}-{trainer.global_step:08d}") if first.exists() else first
