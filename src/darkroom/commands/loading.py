"""Work that makes many objects and no garbage, without the collector that looks for it."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is looked for in the block, which makes objects that stay: to compose a config took a quarter less."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """What the block imports is never looked through for garbage, neither now nor when the process ends.

    Torch and Lightning make a million objects that stay. To go through them again and again while there come more of
    them, and once more at the end, took a third of the time of a command that meets a mistake. What a module holds is
    freed by its count of references as ever; see :func:`gc.freeze`.

    A process that has loaded once, such as a sweep in its second job, collects as ever: what its first job left behind
    would stay for good.
    """
    if gc.get_freeze_count():
        yield
        return
    with uncollected():
        try:
            yield
        finally:
            gc.freeze()
