"""How Lightning writes and reads a training's checkpoints."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from darkroom.files import replacing
from darkroom.runs.checkpoint import load_checkpoint


class AtomicCheckpointIO(CheckpointIO):
    """Writes beside the place and renames; loads with ``weights_only``, so that a checkpoint runs no code."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Path | str, storage_options: Any | None = None) -> None:
        """``storage_options`` is Lightning's, for remote storage: must be None."""
        if storage_options is not None:
            raise ValueError(f"storage_options={storage_options!r}: checkpoints go to a local folder, leave it out")
        with replacing(Path(path)) as draft:
            torch.save(checkpoint, draft)

    def load_checkpoint(
        self, path: Path | str, map_location: Any | None = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """As :func:`darkroom.runs.checkpoint.load_checkpoint`; raises ValueError where ``weights_only`` is False."""
        if weights_only is False:
            raise ValueError("weights_only=False: a checkpoint could run code then; leave it out")
        return load_checkpoint(Path(path), map_location=map_location)

    def remove_checkpoint(self, path: Path | str) -> None:
        Path(path).unlink(missing_ok=True)
