"""When to log and when to measure: shared by the callbacks that watch a training."""

from lightning.pytorch import Trainer

from darkroom.runs.trainer import log_every


class Interval:
    """Tells once for every ``log_every_n_steps`` optimizer steps that it is time, counted from the true step.

    Under gradient accumulation a step is several batches: the first call after the step answers yes, the rest no.
    """

    def __init__(self) -> None:
        self._last: int | None = None

    def is_over(self, trainer: Trainer) -> bool:
        """To be asked in ``on_train_batch_end``."""
        step = trainer.global_step
        if step == self._last or step % log_every(trainer):
            return False
        self._last = step
        return True


def is_due(trainer: Trainer, every_n_validations: int) -> bool:
    """Whether this validation is one to measure in; the last step's always is.

    By the step alone, so that a training that was ended early and then extended measures where it would have.
    """
    assert trainer.val_check_batch is not None  # it is in a training
    validations = trainer.global_step * trainer.accumulate_grad_batches // trainer.val_check_batch
    return validations % every_n_validations == 0 or trainer.global_step >= trainer.max_steps
