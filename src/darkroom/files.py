"""Files and folders that are whole or absent: written beside their place, flushed to the disk, then renamed.

Whoever copied or kept them may have damaged them since: :func:`reading`.
"""

import errno
import hashlib
import json
import math
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

_OF_JSON = (json.JSONDecodeError, UnicodeDecodeError)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DRAFT = ".tmp"
_LITTLE = 2**20  # bytes that a disk may call free and still give none of


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to; on leaving it takes the place of ``path``, on an exception it is removed.

    The rename is atomic, so that a reader sees the old file or the new one, and a killed process leaves the old one.
    Where a folder is made under that name, ``path`` must not exist.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}{_DRAFT}")
    _remove(draft)  # of a killed process that had the same number
    try:
        with naming(path):
            yield draft
            for each in (*draft.rglob("*"), draft):
                _flush(each)
        draft.replace(path)
    finally:
        _remove(draft)
    _flush(path.parent)  # else a power cut may forget the rename


def sweep(folder: Path, *, seconds: float = 0) -> None:
    """Removes the drafts in ``folder``, at any depth, that nobody has touched for so long: of killed processes.

    One that is gone by then was another process's, and has its place.
    """
    for draft in list(folder.rglob(f".*{_DRAFT}")):
        with suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime >= seconds:
                _remove(draft)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what a writer says of a full disk into an OSError that names the file.

    torch.save and safetensors only say that their writing failed, so the disk itself is asked.
    """
    try:
        yield
    except Exception as error:
        full = error.errno in _FULL if isinstance(error, OSError) else shutil.disk_usage(path.parent).free < _LITTLE
        if not full:
            raise
        words = "the disk is full; make room, then start again, a training by resume=RUN"
        raise OSError(errno.ENOSPC, words, str(path)) from error


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Turn what a reader of safetensors, ``.npz`` or JSON says of a damaged file into a ValueError of one line."""
    try:
        yield
    except (SafetensorError, zipfile.BadZipFile, zlib.error, EOFError, *_OF_JSON) as error:
        words = " ".join(str(error).split())[:100]
        raise ValueError(f"{path}: cannot be read ({words}), it was damaged since it was written; {remedy}") from error


def digest(path: Path) -> str:
    """The file's sha256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Replace the content of ``path`` at once."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Replace the content of ``path`` at once; a float that is not finite, for which JSON has no word, becomes null."""
    write_text(path, json.dumps(_finite(content), indent=2) + "\n")


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(each) for key, each in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(each) for each in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until ``path``, a file or a folder, lies on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
