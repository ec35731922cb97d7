"""Files that are whole or absent: written beside their place, flushed to the disk, then renamed."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
_LITTLE = 2**20  # bytes that a disk may call free and still give none of


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to; on leaving it takes the place of ``path``, on an exception it is removed.

    The rename is atomic, so that a reader sees the old file or the new one, and a killed process leaves the old one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _naming(path):
            yield draft
            _flush(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _flush(path.parent)  # else a power cut may forget the rename


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what a writer says of a full disk into an OSError that names the file.

    torch.save only says that its writing failed, so the disk itself is asked.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        full = error.errno in _FULL if isinstance(error, OSError) else shutil.disk_usage(path.parent).free < _LITTLE
        if not full:
            raise
        raise OSError(errno.ENOSPC, "the disk is full; make room, then go on with resume=RUN", str(path)) from error


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
