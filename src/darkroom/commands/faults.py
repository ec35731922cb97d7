"""How a command answers a mistake: one line a fault, exit code 2; a programming error keeps its traceback."""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

MISTAKE = 2  # exit code
_BEFORE_TRAINING = {"train.log", "config.yaml", "first_stage", "wandb"}  # all that a run holds until it trains
_PATIENCE = 3.0  # seconds in which the first process tells of a mistake that all find, and ends the others
_HOUSE = Path(__file__).resolve().parents[1]


def report(faults: Sequence[str]) -> int:
    """Print each fault on a line of its own to stderr; the exit code."""
    print(*faults, sep="\n", file=sys.stderr)
    return MISTAKE


@contextmanager
def answered() -> Iterator[None]:
    """Turn an input error into its one line and exit code 2.

    An input error is a ValueError that our own code raised (a library's is a mistake of ours: its traceback is needed)
    or an OSError that names a file.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        if not _of_input(error):
            raise
        if os.environ.get("LOCAL_RANK", "0") != "0":
            time.sleep(_PATIENCE)
        raise SystemExit(report([line(error)])) from error


@contextmanager
def without_trace(run: Path) -> Iterator[None]:
    """Leave no folder behind where a mistake ends a new run before its training has begun, and an old run as it was.

    Only data and weights tell some mistakes, and by then Hydra has made the folder ``run``, and its config is written.
    """
    config = run / "config.yaml"
    before = config.read_bytes() if config.exists() else None
    try:
        yield
    except SystemExit as stop:
        if stop.code == MISTAKE and before is not None:
            config.write_bytes(before)
        elif stop.code == MISTAKE and {path.name for path in run.iterdir()} <= _BEFORE_TRAINING:
            shutil.rmtree(run)
            with suppress(OSError):  # the folder of the stage or that of all runs holds others
                run.parent.rmdir()
                run.parent.parent.rmdir()
        raise


def line(error: BaseException) -> str:
    """The error's message on one line; an OSError's begins with its file."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _of_input(error: ValueError | OSError) -> bool:
    if isinstance(error, OSError) and error.filename is not None:
        return True
    return _raised_in(error.__traceback__).is_relative_to(_HOUSE)


def _raised_in(traceback: TracebackType | None) -> Path:
    assert traceback is not None
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return Path(traceback.tb_frame.f_code.co_filename).resolve()
