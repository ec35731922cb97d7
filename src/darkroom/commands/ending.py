"""What is said of a training at its end: done before it began, stopped by a signal, or trained."""

import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from omegaconf import DictConfig

from darkroom.callbacks.interruption import Stopped
from darkroom.commands.console import console
from darkroom.runs.checkpoint import step_of
from darkroom.runs.folder import Run
from darkroom.runs.loggers import Closing
from darkroom.runs.wandb_pieces import how_to_look


def is_done(config: DictConfig, run: Run, newest: Path) -> bool:
    """Whether nothing of the training is left to do: no step, no artifact, nothing that a logger had not yet taken.

    ``newest`` is the checkpoint that the run would go on from.
    """
    summary = run.summary
    return bool(
        step_of(newest) >= config.trainer.max_steps
        and summary.get("finished")
        and summary.get("closed")
        and (config.get("autoencoder") is None or run.first_stage.is_dir())
    )


def say_done(config: DictConfig, run: Run) -> None:
    """That there is nothing to train, how to train on, and where everything is."""
    command = f"{shlex.join(['python', 'train.py', f'resume={run.path}'])} max_steps=M"
    steps = config.trainer.max_steps
    console.print(f"the run has done its {steps} steps, nothing is trained; for more: {command}", soft_wrap=True)
    close(run, [])


def say_stopped(run: Run, trainer: Trainer, stop: Stopped) -> None:
    """What is saved of the run, and how to go on with it; other processes end in silence."""
    if not trainer.is_global_zero:
        if stop.at_once:  # the first may not know: the exit code tells it
            return
        raise SystemExit(0) from stop  # for any other code Lightning kills the first process
    newest = run.latest()
    saved = f"saved is {newest}" if newest else "nothing is saved yet"
    console.print(f"stopped by {stop.signal.name}: {saved}", soft_wrap=True)
    command = shlex.join(["python", "train.py", f"resume={run.path}"])
    console.print(f"go on with:            {command}", soft_wrap=True)
    close(run, trainer.loggers)
    if stop.at_once and trainer.strategy.launcher is not None:
        trainer.strategy.launcher.kill(signal.SIGKILL)


def close(run: Run, loggers: Sequence[Any]) -> None:
    """Ends loggers that want to be, as Weights & Biases does, and says where everything is."""
    for logger in loggers:
        if isinstance(logger, Closing):
            logger.close()
    console.print(f"the run:               {run.path}", soft_wrap=True)
    for line in how_to_look(run.path):
        console.print(line, soft_wrap=True)
