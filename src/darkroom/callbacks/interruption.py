"""Ctrl-C and SIGTERM end a training that is saved first."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from darkroom.callbacks.checkpoints import Checkpoints
from darkroom.runs.trainer import log_every

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(SystemExit):
    """A signal has ended the training; the exit code is 128 + its number, as shells have it."""

    def __init__(self, number: int, *, at_once: bool = False) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number)
        self.at_once = at_once  # nothing was saved, and other processes know nothing of it


class Interruption(Callback):
    """Raises :class:`Stopped` once the step in which a signal came is done, saved and logged.

    A second signal stops at once, and so does one before the first step: there is nothing to save. A signal during the
    last step or after it lets the training end first. Of several processes, all save and stop after the same step,
    whichever of them the signal reached; on GPUs, where asking each other waits for the device, after a step that logs.
    """

    def __init__(self) -> None:
        self._received = 0  # number of the first signal
        self._training = self._speaks = False
        self._step = 0
        self._listened: list[signal.Signals] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, signals are heeded; to be put around ``trainer.fit``."""
        if threading.current_thread() is threading.main_thread():  # Python lets no other one listen
            self._listened = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]  # by nohup
        before = {each: signal.signal(each, self._receive) for each in self._listened}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
        if self._received:
            raise Stopped(self._received)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._training, self._speaks, self._step = True, trainer.is_global_zero, trainer.global_step
        for each in self._listened:  # again: Lightning's own talks to other processes while a step may do so too
            signal.signal(each, self._receive)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """By now the last step is logged and validated as well."""
        if trainer.global_step == self._step:  # accumulating
            return
        self._step = trainer.global_step
        waits = trainer.world_size > 1 and pl_module.device.type != "cpu"
        if not (waits and self._step % log_every(trainer)) and self._agreed(trainer):
            _checkpoints(trainer).save(trainer)
            raise Stopped(self._received)

    def _agreed(self, trainer: Trainer) -> int:
        """The signal that this process or another has received; 0 where none has.

        One that comes while they ask each other is answered after the next step: the others do not know of it yet.
        """
        if trainer.world_size == 1:
            return self._received
        number = torch.tensor(self._received, device=trainer.strategy.root_device)
        agreed = int(trainer.strategy.reduce(number, reduce_op="max"))
        if agreed:  # else nothing is written: the handler may just have been here
            self._received = agreed
        return agreed

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received or not self._training:
            raise Stopped(number, at_once=True)
        self._received = number
        if self._speaks:
            name = signal.Signals(number).name
            line = f"\n{name}: the training ends after this step and is saved; once more ends it at once\n"
            os.write(2, line.encode())  # print() may be what was interrupted


def _checkpoints(trainer: Trainer) -> Checkpoints:
    """The run's own, which may have a best value to remember; another where the run keeps none."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]  # Lightning sets it from another class
    return next((each for each in callbacks if isinstance(each, Checkpoints)), Checkpoints())
