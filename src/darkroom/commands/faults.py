"""How a command answers a mistake: one line a fault, exit code 2; a programming error keeps its traceback."""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from darkroom.build import Faults, of_input
from darkroom.runs.lock import is_first

MISTAKE = 2  # exit code
_BEFORE_TRAINING = {"train.log", "config.yaml", "first_stage", "wandb"}  # all that a run holds until it trains
_PATIENCE = 3.0  # seconds in which the first process tells of a mistake that all find, and ends the others


def report(faults: Sequence[str]) -> int:
    """Print each fault on a line of its own to stderr; the exit code."""
    print(*faults, sep="\n", file=sys.stderr)
    return MISTAKE


@contextmanager
def answered() -> Iterator[None]:
    """Turn an input error into its one line, or a line for each of its faults, and exit code 2.

    An input error is a ValueError that our own code raised (a library's is a mistake of ours: its traceback is needed)
    or an OSError that names a file.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        if not of_input(error):
            raise
        if os.environ.get("LOCAL_RANK", "0") != "0":
            time.sleep(_PATIENCE)
        raise SystemExit(report(error.faults if isinstance(error, Faults) else [line(error)])) from error


@contextmanager
def without_trace(run: Path) -> Iterator[None]:
    """Leave no folder behind where a mistake ends a new run before its training has begun, and an old run as it was.

    Only data and weights tell some mistakes, and by then Hydra has made the folder ``run``, its config is written and
    W&B has begun. Of several processes the first alone takes that back. Ctrl-C is answered so only while a new run's
    folder holds nothing yet: after that it may be gone on with.
    """
    if not is_first():
        yield
        return
    config, log, pieces = run / "config.yaml", run / "train.log", run / "wandb"
    content, staged = config.read_bytes() if config.exists() else None, (run / "first_stage").exists()
    size, held, trained = log.stat().st_size if log.exists() else 0, _entries(pieces), _of_training(run)
    new = not size and _holds_nothing(run)
    try:
        yield
    except KeyboardInterrupt:
        if new and _holds_nothing(run):
            _remove(run)
        raise
    except SystemExit as stop:
        if stop.code == MISTAKE and _of_training(run).items() <= trained.items():
            if new:
                _remove(run)
                raise
            if content is None:  # somebody's folder of that name
                config.unlink(missing_ok=True)
            else:
                config.write_bytes(content)
            if not staged:
                shutil.rmtree(run / "first_stage", ignore_errors=True)
            if size:
                os.truncate(log, size)
            else:
                log.unlink(missing_ok=True)
            _restore(pieces, held)
        raise


def _of_training(run: Path) -> dict[Path, int]:
    """The files that only a training writes, and when they were written."""
    files = (path for path in run.rglob("*") if path.is_file())
    return {path: path.stat().st_mtime_ns for path in files if path.relative_to(run).parts[0] not in _BEFORE_TRAINING}


def _holds_nothing(run: Path) -> bool:
    """Whether there is nothing but the log, which Hydra opens."""
    return all(path.name == "train.log" for path in _entries(run))


def _remove(run: Path) -> None:
    shutil.rmtree(run, ignore_errors=True)
    with suppress(OSError):  # the folder of the stage or that of all runs holds others
        run.parent.rmdir()
        run.parent.parent.rmdir()


def _entries(folder: Path) -> dict[Path, Path | None]:
    """What lies in ``folder``, and where it leads of a symbolic link."""
    found = folder.iterdir() if folder.is_dir() else ()
    return {path: path.readlink() if path.is_symlink() else None for path in found}


def _restore(folder: Path, held: dict[Path, Path | None]) -> None:
    """Leave in ``folder`` what was held; its links, such as W&B's to its latest piece, lead where they led."""
    for path, target in _entries(folder).items():
        if path in held and target == held[path]:
            continue
        if path.is_dir() and target is None:
            shutil.rmtree(path)
        else:
            path.unlink()
        if (before := held.get(path)) is not None:
            path.symlink_to(before)
    if not held and folder.is_dir():
        folder.rmdir()


def line(error: BaseException) -> str:
    """The error's message on one line; an OSError's begins with its file."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
