"""The moment between two steps, when a checkpoint holds all that the steps before it left."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop

from darkroom.runs.checkpoint import checkpoint_path
from darkroom.runs.folder import Run


def save_between_steps(trainer: Trainer) -> Path:
    """Saves the run, on all processes; to be called in ``on_train_batch_start``. The path of the checkpoint.

    In every earlier hook something of the last step is still to be logged or validated: a run that is killed in
    between would go on from the checkpoint and lack it for ever.
    """
    path = checkpoint_path(Run(Path(trainer.default_root_dir)).checkpoints, trainer.global_step)
    with _rewound(trainer):
        trainer.save_checkpoint(path, weights_only=False)
    return path


@contextmanager
def _rewound(trainer: Trainer) -> Iterator[None]:
    """Inside, Lightning's counts are those of the last step's ``on_train_batch_end``, where it wants to go on from.

    By now it counts the batch that it has fetched, and would count it twice: validations and steps in the logs would
    come one batch early after each resume.
    """
    loop = trainer.fit_loop.epoch_loop
    _advance(loop, -1)
    try:
        yield
    finally:
        _advance(loop, 1)


def _advance(loop: _TrainingEpochLoop, batches: int) -> None:
    for count in (loop.batch_progress.total, loop.batch_progress.current):
        count.ready += batches
        count.completed += batches
    loop._batches_that_stepped += batches
