"""A progress bar over optimizer steps: speed, remaining time and the metrics that are marked for it."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

_REFRESH = 1.0  # seconds between two drawings of the bar: each takes some milliseconds from the training


class StepProgress(ProgressBar):
    """Rich's bar on a terminal; elsewhere a plain line now and then.

    Shows what a stage logs with ``prog_bar=True``. Speeds are of the training without its validations, which the time
    that is left counts as often as they came up to now. Drawn by the training thread itself at most once a second: a
    thread that refreshes would fight with the training for Python's lock.
    """

    def __init__(self, line_seconds: float = 30.0, console: Console | None = None) -> None:
        super().__init__()
        self._console = console or Console()
        self._line_seconds = line_seconds
        self._enabled = True
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._last_drawn = float("-inf")  # the first step is shown at once

    def disable(self) -> None:
        """Lightning calls it on all processes but the first."""
        self._enabled = False

    def enable(self) -> None:
        self._enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._since, self._first_step = time.monotonic(), trainer.global_step
        self._pictures = 0
        self._validated = 0.0  # seconds in validations
        if self._enabled and self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[status]}"),
                console=self._console,
                auto_refresh=False,
            )
            total = trainer.max_steps if trainer.max_steps > 0 else None
            self._task = self._bar.add_task("training", total=total, completed=trainer.global_step, status="")
            self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._pictures += len(batch) * trainer.world_size
        wait = _REFRESH if self._bar is not None else self._line_seconds
        if self._enabled and time.monotonic() - self._last_drawn >= wait:
            self._draw(trainer, pl_module, "training")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        self._validation_began = time.monotonic()
        last = trainer.global_step >= trainer.max_steps  # its measurements may take longer than a short training
        if self._bar is not None or (self._enabled and last):
            self._draw(trainer, pl_module, "validating")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self._validated += time.monotonic() - self._validation_began

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._enabled:
            self._draw(trainer, pl_module, "trained")
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._stop()  # else the terminal stays without its cursor

    def _draw(self, trainer: Trainer, pl_module: LightningModule, what: str) -> None:
        self._last_drawn = time.monotonic()
        status = self._status(trainer, pl_module)
        if self._bar is not None:
            self._bar.update(self._task, completed=trainer.global_step, description=what, status=status, refresh=True)
        else:
            of = f"/{trainer.max_steps}" if trainer.max_steps > 0 else ""
            self._console.print(f"{what}: step {trainer.global_step}{of}, {status}", soft_wrap=True, highlight=False)

    def _status(self, trainer: Trainer, pl_module: LightningModule) -> str:
        steps, seconds = trainer.global_step - self._first_step, time.monotonic() - self._since
        parts = []
        if steps:
            trained = seconds - self._validated
            parts += [f"{steps / trained:.2f} steps/s", f"{self._pictures / trained:.0f} pictures/s"]
            if trainer.max_steps > 0:
                parts.append(f"{clock((trainer.max_steps - trainer.global_step) * seconds / steps)} left")
        metrics = self.get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        parts += [f"{name} {value:.4g}" for name, value in metrics.items() if isinstance(value, int | float)]
        return ", ".join(parts)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def clock(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
