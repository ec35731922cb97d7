"""Checkpoints that are whole or recognisably torn, and that hold nothing but tensors and plain values."""

import functools
import logging
import pickle
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger(__name__)

_STEP = re.compile(r"step-(\d+)\.ckpt")
_PARTS = {"state_dict", "callbacks"}  # of all that a training saves, what every reader asks for


def is_whole(path: Path) -> bool:
    """Whether ``path`` is a complete checkpoint.

    torch writes a zip archive whose directory comes last, so that a file cut short has none. Cheap: reads only the end.
    """
    return zipfile.is_zipfile(path)


def is_intact(path: Path) -> bool:
    """Whether ``path`` is complete and every byte in it as it was written; a warning tells of one that is not.

    torch writes a checksum of each tensor and reads none. Costs a reading of the whole file, once a process.
    """
    facts = path.stat()
    return is_whole(path) and _keeps_its_checksums(path, facts.st_size, facts.st_mtime_ns)


@functools.cache
def _keeps_its_checksums(path: Path, size: int, written: int) -> bool:  # noqa: ARG001  another file of the same name
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError) as error:
        damaged = str(error)
    if damaged:
        log.warning("%s is damaged (%s is not as it was written): skipped", path, damaged)
    return not damaged


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint after ``step`` optimizer steps lies: names sort by step."""
    return folder / f"step-{step:08d}.ckpt"


def step_of(path: Path) -> int:
    """The inverse of :func:`checkpoint_path`."""
    match = _STEP.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path} is not named like a checkpoint (step-00001000.ckpt)")
    return int(match[1])


def whole_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of ``folder`` by rising step; a torn one is left out with a warning."""
    found = sorted((p for p in folder.glob("step-*.ckpt") if _STEP.fullmatch(p.name)), key=step_of)
    whole = [path for path in found if is_whole(path)]
    for path in found:
        if path not in whole:
            _warn_of(path)
    return whole


@functools.cache  # once a process, however often its folder is read
def _warn_of(path: Path) -> None:
    log.warning("%s is torn (its writing was cut short): skipped", path)


def load_checkpoint(path: Path, *, map_location: Any | None = "cpu", mmap: bool = False) -> dict[str, Any]:
    """All that a training saved, read so that no code in it runs.

    Raises FileNotFoundError, or ValueError where the file is torn, damaged or not what a training saves.
    With ``mmap`` a tensor takes memory only once it is looked at.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    if not is_whole(path):
        raise ValueError(f"{path} is torn (its writing was cut short): use the checkpoint before it")
    if not is_intact(path):
        raise ValueError(f"{path} is damaged, not as it was written: copy it again, or remove it")
    try:
        held = torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:  # its words advise to load it with all its code
        raise ValueError(
            f"{path}: holds other things than tensors and plain values, which could run code, so a training here "
            "has not written it; it is not loaded"
        ) from error
    except (RuntimeError, EOFError) as error:  # another archive than torch's, or no memory for this one
        first = str(error).partition("\n")[0]
        raise ValueError(f"{path}: torch cannot read it ({first})") from error
    if not isinstance(held, dict) or _PARTS - held.keys():
        raise ValueError(f"{path}: has no weights (state_dict, callbacks), so a training here has not written it")
    return held
