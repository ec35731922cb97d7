"""Batches that a data set makes ready itself, read here or in other processes."""

import logging
import os
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from logging.handlers import QueueHandler
from multiprocessing import connection, forkserver, get_context, parent_process, resource_tracker
from multiprocessing.context import BaseContext
from queue import SimpleQueue
from typing import Any, Protocol, runtime_checkable

import torch
from torch.utils.data import DataLoader, Sampler, get_worker_info

from darkroom.contracts import Batch, LatentBatch, Visit

_OF_THE_GROUP = {signal.SIGINT, signal.SIGTERM}


@runtime_checkable
class VisitedDataset(Protocol):
    """What a loader asks of pictures and of cached latents alike; it is pickled to the processes that read."""

    def __len__(self) -> int: ...

    def __getitems__(self, visits: Sequence[Visit]) -> Batch | LatentBatch: ...


class VisitLoader(DataLoader):
    """A loader whose batches come ready from the data set.

    Its position follows from the step, which Lightning keeps already; the two empty methods tell Lightning that this
    loader can go on in the middle of an epoch. What a reader logs is logged by this process, and an input error of it
    is raised here as it is: torch would wrap its line in the reader's traceback.

    Raises OSError where pictures do not fit the memory that processes share.
    """

    def __init__(
        self, dataset: VisitedDataset, visits: Sampler[list[Visit]], *, num_workers: int = 0, pin_memory: bool = False
    ):
        super().__init__(
            _Reader(dataset),  # type: ignore[arg-type]  # torch asks for __getitems__ but does not declare it
            batch_sampler=visits,
            num_workers=num_workers,
            collate_fn=_as_it_is,
            worker_init_fn=_begin,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
            multiprocessing_context=_started_server(dataset) if num_workers else None,
            generator=torch.Generator(),  # else every iterator draws a seed from the global generator
        )

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch names a class of its own
        for reading in self._readings():
            for record in reading.said:
                logging.getLogger(record.name).handle(record)
            if reading.error is not None:
                raise reading.error
            yield reading.batch

    def _readings(self) -> Iterator["_Reading"]:
        try:
            yield from super().__iter__()
        except RuntimeError as error:
            if (words := _of_sharing(error)) is None:
                raise
            raise OSError(words) from error

    def state_dict(self) -> dict[str, Any]:
        """Nothing: see the class."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing: see the class."""


@dataclass(frozen=True)
class _Reading:
    """A batch, or what the data set raised in its place, and what was logged on the way."""

    batch: Batch | LatentBatch | None = None
    error: ValueError | OSError | None = None
    said: Sequence[logging.LogRecord] = ()

    def pin_memory(self) -> "_Reading":
        """Called by torch where it was asked to pin."""
        return replace(self, batch=None if self.batch is None else self.batch.pin_memory())


@dataclass(frozen=True)
class _Reader:
    """A data set whose input errors come as answers."""

    dataset: VisitedDataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, visits: Sequence[Visit]) -> _Reading:
        try:
            batch = self.dataset.__getitems__(visits)
            if get_worker_info() is not None:  # else a thread shares it, and drops it where it cannot
                batch.share_memory_()
            read = _Reading(batch=batch)
        except (ValueError, OSError) as error:
            from darkroom.build import of_input  # imports Hydra, which reading else does without

            if not of_input(error):
                raise
            read = _Reading(error=error)
        except RuntimeError as error:
            if (words := _of_sharing(error)) is None:
                raise
            read = _Reading(error=OSError(words))
        return replace(read, said=[_said.get() for _ in range(_said.qsize())])


_said: SimpleQueue[logging.LogRecord] = SimpleQueue()  # what a reading process has logged since its last batch


def _of_sharing(error: RuntimeError) -> str | None:
    """What to do where tensors could not be handed over to another process; None for any other error."""
    if "Too many open files" in str(error):
        return "num_workers: readers share more tensors than files may be open; raise the limit (ulimit -n 65536)"
    if re.search("unable to (allocate|resize)|out of shared memory", str(error)):
        full = "num_workers: pictures that processes are to share do not fit /dev/shm"
        return f"{full}; set num_workers=0, or give the container more (docker run --shm-size=2g)"
    return None


def _as_it_is(batch: Any) -> Any:
    return batch


def _started_server(dataset: VisitedDataset) -> BaseContext:
    """Readers are forked by a small server that has no threads, and has imported already what the first data set needs.

    Forked from the training process they would inherit the locks that its other threads hold at that moment (those of
    gloo, of W&B, of the progress bar), and the first to ask for one would wait for ever: seen once in thirty trainings
    on two processes.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, type(dataset).__module__])
    resource_tracker.ensure_running()  # the server begins it else, and would let the signals through again
    with _withheld(_OF_THE_GROUP):
        forkserver.ensure_running()
    return context


@contextmanager
def _withheld(signals: set[signal.Signals]) -> Iterator[None]:
    """Signals wait until the end; a process that is started inside never receives them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(worker: int) -> None:  # noqa: ARG001  torch's signature
    """Of a reading process: what it logs goes along with its batches, and it ends with the trainer alone."""
    logging.getLogger().addHandler(QueueHandler(_said))
    _leave_the_group()
    threading.Thread(target=_end_with_the_trainer, daemon=True).start()


def _end_with_the_trainer() -> None:
    """Torch watches the parent's number for this, which here is the server's, and the server waits for its readers."""
    trainer = parent_process()
    assert trainer is not None
    connection.wait([trainer.sentinel])
    os._exit(1)


def _leave_the_group() -> None:
    """A signal to the trainer's whole group shall not reach a worker, which reads on until the trainer has saved.

    The trainer still ends it by its own signal.
    """
    os.setpgid(0, 0)
    for each in _OF_THE_GROUP:
        signal.signal(each, signal.SIG_IGN)  # forgets one that came before and was withheld
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _OF_THE_GROUP)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
