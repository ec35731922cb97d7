"""A tiny stage and its batches, for tests of what surrounds a training."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, Dataset

from darkroom.contracts import Batch, Prompts
from darkroom.keys import keys
from darkroom.runs.checkpoint_io import AtomicCheckpointIO


class Pictures(Dataset):
    """As good as endless: batch k is a function of k. ``first`` is where a resumed training goes on."""

    def __init__(self, first: int = 0, size: int = 4) -> None:
        self.first, self.size = first, size

    def __len__(self) -> int:
        return 10_000

    def __getitem__(self, place: int) -> Batch:
        step = self.first + place
        image = keys(seed=0, purpose="picture", step=step, places=range(self.size)).integers(256, (3, 8, 8))
        places = torch.arange(self.size)
        prompts = Prompts(caption=tuple(f"picture {place} of batch {step}" for place in range(self.size)))
        return Batch(image.to(torch.uint8), places, torch.zeros_like(places), places, step, prompts)


class Tiny(LightningModule):
    """Learns the mean of noise; remembers which steps it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(192, 8)
        torch.nn.init.constant_(self.linear.weight, 0.01)
        torch.nn.init.zeros_(self.linear.bias)
        self.seen: list[int] = []

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        self.seen.append(batch_idx)
        loss = self.linear(batch.picture.flatten(1)).square().mean()
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        self.log("val/loss", self.linear(batch.picture.flatten(1)).square().mean(), batch_size=len(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


def loader(first: int = 0) -> DataLoader:
    return DataLoader(Pictures(first), batch_size=None)


def trainer(
    folder: Path, steps: int, callbacks: list[Any], loggers: list[Any] | bool = False, **options: Any
) -> Trainer:
    settings: dict[str, Any] = {
        "accelerator": "cpu",
        "max_steps": steps,
        "log_every_n_steps": 2,
        "limit_val_batches": 0,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "plugins": [AtomicCheckpointIO()],
    }
    return Trainer(default_root_dir=folder, callbacks=callbacks, logger=loggers, **{**settings, **options})
