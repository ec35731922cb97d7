"""What a training's Trainer tells of its run, and one call that puts pictures wherever the run is tracked."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import UInt8
from lightning.pytorch import Trainer
from torch import Tensor

from darkroom.runs.folder import Run
from darkroom.runs.loggers import PictureLogger
from darkroom.runs.pictures import save_grid


def run_of(trainer: Trainer) -> Run:
    """The run that is trained."""
    return Run(Path(trainer.default_root_dir))


def log_every(trainer: Trainer) -> int:
    """Optimizer steps between two loggings: the trainer's ``log_every_n_steps``."""
    return trainer.log_every_n_steps  # type: ignore[attr-defined]  # Lightning sets it from another class


def log_pictures(
    trainer: Trainer,
    name: str,
    pictures: UInt8[Tensor, "n 3 H W"],
    captions: Sequence[str] | None,
    step: int,
    columns: int | None = None,
) -> None:
    """To loggers that show pictures, each with its caption, and as one grid to ``<run>/samples/<name>-<step>.png``.

    ``step`` is the number of optimizer steps done, ``columns`` are the grid's.
    """
    if not trainer.is_global_zero:
        return
    save_grid(run_of(trainer).samples / f"{name}-{step:08d}.png", pictures, captions, columns)
    for logger in trainer.loggers:
        if isinstance(logger, PictureLogger):
            logger.log_pictures(name, pictures, captions, step)
