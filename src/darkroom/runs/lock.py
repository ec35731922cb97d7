"""One training at a time in a run's folder: two would write the same files, and sweep away each other's drafts.

Standard library only: the lock is taken before torch loads.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_RANKS = ("LOCAL_RANK", "RANK", "NODE_RANK", "GROUP_RANK")  # as torchrun, Lightning and its clusters set them


def is_first() -> bool:
    """Whether this is the first process of a training, which answers for its run's folder, on whatever machine."""
    return all(os.environ.get(rank, "0") == "0" for rank in _RANKS)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Inside, no other process trains the run in ``folder``; raises ValueError where one does already.

    The lock lies on ``train.log``, which every training opens anyway and none replaces. The kernel lifts it however the
    process ends; those that it starts do not hold it, as Python hands descriptors on to none.
    """
    if not is_first():  # that one holds it for all
        yield
        return
    with (folder / "train.log").open("a") as log:  # to be written: a network file system wants that of a lock
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"{folder}: is being trained by another process; wait until it ends, or end it (SIGTERM lets it save)"
            ) from error
        except OSError:  # some network file systems know no locks: ENOLCK, ENOSYS, EOPNOTSUPP
            pass
        yield
