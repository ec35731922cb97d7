"""Cached latents, as Lightning wants its data."""

from functools import partial
from pathlib import Path

from rich.progress import track
from torch import nn

from darkroom.contracts import FirstStage, PictureSource
from darkroom.data.datamodule import DataModule
from darkroom.data.latents import LatentDataset, cache_folder, cache_latents


class LatentDataModule(DataModule):
    """Cached latents of both splits; what the cache lacks is encoded when training is set up, by all processes."""

    def __init__(
        self,
        first_stage: FirstStage,
        source: PictureSource,
        root: Path,
        *,
        batch_size: int,
        seed: int,
        num_workers: int,
    ):
        """``root`` holds the caches, a folder for each artifact, data set and split."""
        pictures = {name: source.split(name) for name in ("train", "validation")}
        super().__init__(**pictures, batch_size=batch_size, seed=seed, num_workers=num_workers)
        self.source = source
        self._first_stage, self._root, self._pictures = first_stage, root, pictures

    def setup(self, stage: str) -> None:
        super().setup(stage)
        trainer = self._trainer
        bf16 = str(trainer.precision).startswith("bf16")  # as the training computes
        folders = {
            name: cache_folder(self._root, self._first_stage, self.source, name, bf16=bf16) for name in self._pictures
        }
        device = trainer.strategy.root_device
        first_stage = self._first_stage.to(device) if isinstance(self._first_stage, nn.Module) else self._first_stage
        for name, pictures in self._pictures.items():
            cache_latents(
                first_stage,
                pictures,
                folders[name],
                device=device,
                bf16=bf16,
                rank=trainer.global_rank,
                world_size=trainer.world_size,
                track=partial(track, description=f"encoding {name} pictures") if trainer.is_global_zero else iter,
            )
        trainer.strategy.barrier("latents are cached")
        self.train, self.validation = (
            LatentDataset(folders[name], self._pictures[name]) for name in ("train", "validation")
        )
