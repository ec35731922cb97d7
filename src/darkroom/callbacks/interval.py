"""When to log: shared by the callbacks that watch a training."""

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
