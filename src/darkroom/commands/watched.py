"""A metric that checkpoints are to be chosen by and nobody logs: told before the training, not by its validation."""

from lightning.pytorch import LightningModule, Trainer

from darkroom.callbacks.checkpoints import Checkpoints, Measuring
from darkroom.commands.checking.spelling import meant


def refuse_unlogged(trainer: Trainer, stage: LightningModule) -> None:
    """Raises ValueError where a callback watches a metric that neither the stage nor a callback declares."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]  # Lightning sets it from another class
    measuring = [each for each in (stage, *callbacks) if isinstance(each, Measuring)]
    declared = {name for each in measuring for name in each.metric_names}
    for watching in callbacks:
        if isinstance(watching, Checkpoints) and watching.monitor not in {None, *declared}:
            assert watching.monitor is not None
            raise ValueError(
                f"callback.checkpoints.monitor={watching.monitor}: nothing in this run has it among its metric_names"
                f"{meant(watching.monitor, declared)}"
            )
