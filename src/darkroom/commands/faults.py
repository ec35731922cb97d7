"""How a command answers a mistake: one line a fault, exit code 2; a programming error keeps its traceback."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

MISTAKE = 2  # exit code
_BEFORE_TRAINING = {"train.log", "config.yaml", "first_stage"}  # all that a run holds until it trains
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
        raise SystemExit(report([line(error)])) from error


@contextmanager
def without_trace(run: Path) -> Iterator[None]:
    """Leave no folder behind where a mistake ends a new run before its training has begun.

    Only data and weights tell some mistakes, and by then Hydra has made the folder ``run``.
    """
    new = not (run / "config.yaml").exists()
    try:
        yield
    except SystemExit as stop:
        if new and stop.code == MISTAKE and {path.name for path in run.iterdir()} <= _BEFORE_TRAINING:
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
