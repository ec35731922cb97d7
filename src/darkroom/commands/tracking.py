"""What was measured of a run, into the Weights & Biases run that tracked its training."""

import os
from collections.abc import Mapping

from darkroom.build import build
from darkroom.commands.console import console
from darkroom.runs.checkpoint import step_of
from darkroom.runs.folder import Run
from darkroom.runs.wandb_pieces import how_to_look


def track(run: Run, values: Mapping[str, float | str]) -> None:
    """``evaluation/<name>`` for each value; nothing where W&B did not track the training.

    Nor where the training is not at its end: it may be running, and W&B takes a run from one process at a time. Nor
    where the run's folder takes nothing: W&B would keep it in a temporary one without a word.
    """
    nodes = [node for node in (run.config.get("logger") or {}).values() if node is not None]
    if not (pieces := run.path / "wandb").is_dir():
        return
    if not (os.access(run.path, os.W_OK) and os.access(pieces, os.W_OK)):
        console.print(f"not told to W&B: {pieces} cannot be written to", soft_wrap=True)
        return
    if (newest := run.latest()) is None:
        console.print(f"not told to W&B: no checkpoint in {run.path} tells that the training has ended", soft_wrap=True)
        return
    if (step := step_of(newest)) < (steps := run.config.trainer.max_steps):
        console.print(f"not told to W&B: the training is at step {step} of {steps}, and may be tracked still")
        return
    for logger in (build(node)(run.path) for node in nodes if node["_target_"].endswith(".WandbRun")):
        logger.log_evaluation(values)
        logger.close()
        for line in how_to_look(run.path):
            console.print(line, soft_wrap=True)
