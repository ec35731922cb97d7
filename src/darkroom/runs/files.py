"""Files that are whole or absent: written beside their place, flushed to the disk, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to; on leaving it takes the place of ``path``, on an exception it is removed.

    The rename is atomic, so that a reader sees the old file or the new one, and a killed process leaves the old one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        _flush(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _flush(path.parent)  # else a power cut may forget the rename


def write_text(path: Path, text: str) -> None:
    """Replace the content of ``path`` at once."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def _flush(path: Path) -> None:
    """Wait until ``path``, a file or a folder, lies on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
