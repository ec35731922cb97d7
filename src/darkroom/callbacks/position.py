"""Where a resumed training goes on: at a place that follows from the number of steps alone."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class Position(Callback):
    """Makes Lightning count on from the end of the last step, whatever hook a checkpoint was saved in.

    Lightning keeps counts of batches, from which it derives when to validate and which step a log belongs to. They say
    something else in each hook: between two steps the next batch is counted already, at the end of a training its one
    epoch is over; and they are of micro-batches, which another number of processes may make more or fewer. Of all hooks
    ``on_train_batch_end`` is where it wants to go on from: the step is done and its last batch not yet completed.
    """

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Callbacks are asked before the loops are restored."""
        loop, step = checkpoint["loops"]["fit_loop"], checkpoint["global_step"]
        batches = step * trainer.accumulate_grad_batches
        done = {"ready": batches, "started": batches, "processed": batches, "completed": batches - 1}
        under_way = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
        progress = loop["epoch_loop.batch_progress"]
        for part in ("total", "current"):
            progress[part].update(done)
            loop["epoch_progress"][part].update(under_way)
        progress["is_last_batch"] = False
        loop["epoch_loop.state_dict"]["_batches_that_stepped"] = step - 1
