"""What a training's Trainer tells of its run."""

from pathlib import Path

from lightning.pytorch import Trainer

from darkroom.runs.folder import Run


def run_of(trainer: Trainer) -> Run:
    """The run that is trained."""
    return Run(Path(trainer.default_root_dir))


def log_every(trainer: Trainer) -> int:
    """Optimizer steps between two loggings: the trainer's ``log_every_n_steps``."""
    return trainer.log_every_n_steps  # type: ignore[attr-defined]  # Lightning sets it from another class
