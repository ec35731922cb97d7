"""Where commands write what a person reads."""

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")
console = Console(highlight=False)


def progress(batches: Iterable[T], pictures: int, batch_size: int, description: str) -> Iterable[T]:
    """``batches`` of so many pictures in all, with a bar that shows how far they are."""
    return track(batches, total=-(-pictures // batch_size), description=description, console=console)
