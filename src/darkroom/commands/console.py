"""Where commands write what a person reads."""

import logging
import sys
from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")
console = Console(highlight=False, markup=False, emoji=False)  # a path such as "runs, [old]" is shown as it is


class Warnings(logging.Handler):
    """Shows what is logged as a warning or worse, beside the progress bar and of the first process alone."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        words = f"{record.levelname.lower()}: {record.getMessage()}"
        console.print(words, style="yellow", soft_wrap=True)


class LogFile(logging.FileHandler):
    """``train.log``, which loses lines on a full disk; the checkpoint that finds no room says so and ends the run."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


def progress(batches: Iterable[T], pictures: int, batch_size: int, description: str) -> Iterable[T]:
    """``batches`` of so many pictures in all, with a bar that shows how far they are."""
    return track(batches, total=-(-pictures // batch_size), description=description, console=console)
