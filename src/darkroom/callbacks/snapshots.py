"""Snapshots of two averages, from which one of any width is made after the training."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from darkroom.callbacks.ema import learning, model_of
from darkroom.callbacks.samples import Generates
from darkroom.runs.checkpoint import load_checkpoint, step_of
from darkroom.runs.posthoc import write_snapshot
from darkroom.runs.power_average import PowerAverage
from darkroom.runs.trainer import run_of
from darkroom.runs.widths import WIDTHS


class Snapshots(Callback):
    """Keeps ``count`` snapshots of two averages in the run's ``ema/``, evenly over the training, the last at its end.

    ``sample.py ema=0.07`` and ``evaluate.py ema=0.07`` or ``sweep.ema=[0.03,0.05,0.1]`` draw with an average of another
    width made of them (:mod:`darkroom.runs.posthoc`).

    The averages lie beside the weights and in every checkpoint, two more sizes of the network; each file is two more.
    A resumed run goes on with them, and cannot begin them.

    Args:
        count: 0 keeps none; 20 make widths from 0.03 to 0.2 of the training to within 3 % of their profiles.
        every_n_steps: how often the averages move; also whenever a snapshot is taken.
    """

    state_key = "Snapshots"

    def __init__(self, count: int = 0, every_n_steps: int = 1) -> None:
        if count < 0:
            raise ValueError(f"callback.snapshots.count={count} must be at least 0, which keeps none")
        if every_n_steps < 1:
            raise ValueError(f"callback.snapshots.every_n_steps={every_n_steps} must be at least 1")
        self._count, self._every = count, every_n_steps
        self._averages = [PowerAverage(width) for width in WIDTHS]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._refuse_another_stage(pl_module)
        for average in self._averages if self._count else ():
            average.start(learning(model_of(pl_module)))

    def refuse(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises ValueError for a stage that draws no pictures: an autoencoder ends with the artifact of its EMA.

        And where a resumed run has steps that the averages in its checkpoint have not seen.
        """
        if not self._count:
            return
        self._refuse_another_stage(pl_module)
        if (newest := run_of(trainer).loadable()) is None:
            return
        held = load_checkpoint(newest, mmap=True)["callbacks"].get(self.state_key)
        self._refuse_a_gap(step_of(newest) - (held[str(WIDTHS[0])]["step"] if held else 0))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises ValueError for such steps where nobody has asked :meth:`refuse`: a trainer in a program of its own."""
        if self._count:
            self._refuse_a_gap(trainer.global_step - self._averages[0].step)

    def _refuse_another_stage(self, pl_module: LightningModule) -> None:
        if self._count and not isinstance(pl_module, Generates):
            raise ValueError(f"callback.snapshots.count={self._count}: is for a denoiser's averages; leave it out")

    def _refuse_a_gap(self, unseen: int) -> None:
        if unseen >= self._every:
            raise ValueError(
                f"callback.snapshots.count={self._count}: {unseen} steps of this run were trained without these "
                "averages; leave it out, or begin a new run"
            )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if not self._count or not step or step == self._averages[0].step:
            return
        due = step * self._count // trainer.max_steps > (step - 1) * self._count // trainer.max_steps
        if due or step % self._every == 0 or step < self._every:
            weights = learning(model_of(pl_module))
            for average in self._averages:
                average.move(weights, step)
        if due and trainer.is_global_zero:
            write_snapshot(run_of(trainer), step, self._averages)

    def state_dict(self) -> dict[str, Any]:
        return {str(width): each.state_dict() for width, each in zip(WIDTHS, self._averages, strict=True)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for width, average in zip(WIDTHS, self._averages, strict=True):
            average.load_state_dict(state_dict[str(width)])
