"""Processes that answer jobs beside this one, each on a device of its own.

Jobs go to the devices in turn and come back in their order, so that what is made of the answers is what one device
makes.
"""

import contextlib
import itertools
import multiprocessing
import pickle
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig
from torch import Tensor

from darkroom.build import Faults, add_packages, of_input
from darkroom.commands.checking.devices import cores
from darkroom.commands.child import how_ended
from darkroom.commands.faults import line
from darkroom.generation.generator import NotFinite

Answering = Callable[..., Tensor]  # a job's parts to its answer

_FAREWELL = 5.0  # seconds in which a process whose line is closed has ended


@contextlib.contextmanager
def helping(config: DictConfig) -> Iterator[Sequence["Helper"]]:
    """One on each of ``config.devices`` but the first, which is this process's; they end with the block."""
    if config.devices == 1:
        yield []
        return
    threads, packages = torch.get_num_threads(), list(config.get("packages") or ())
    helpers: list[Helper] = []
    try:
        torch.set_num_threads(_threads(config.devices))
        for number in range(1, config.devices):
            helpers.append(Helper(number, devices=config.devices, packages=packages))
        yield helpers
    finally:
        for helper in helpers:
            helper.end()
        torch.set_num_threads(threads)


def in_turn(helpers: Sequence["Helper"], jobs: Iterable[tuple[Any, ...]], own: Answering) -> Iterator[Tensor]:
    """What each of ``jobs`` is answered, in their order: the first by ``own``, as many after it by the helpers, ...

    Raises what :meth:`Helper.answer` does.
    """
    jobs = iter(jobs)
    while mine_and_theirs := list(itertools.islice(jobs, 1 + len(helpers))):
        mine, *theirs = mine_and_theirs
        asked = list(zip(helpers, theirs, strict=False))
        for helper, job in asked:
            helper.ask(*job)
        yield own(*mine)
        for helper, _ in asked:
            yield helper.answer()


class Helper:
    """A process on device ``number`` of ``devices`` that answers what it is asked; it ends with this one.

    All goes through a pipe, by pickles of our own: torch's would put tensors into shared memory, which in a container
    is often too small for a batch.
    """

    def __init__(self, number: int, *, devices: int, packages: Sequence[str] = ()) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of a process that uses CUDA cannot
        self._number = number
        self._line, theirs = context.Pipe()
        arguments = (number, devices, packages, theirs)
        self._process = context.Process(target=_help, args=arguments, name=f"device {number}", daemon=True)
        with _deaf_to_ctrl_c():
            self._process.start()
        theirs.close()  # so that the process has the only one, and its end is felt here
        self._owes = False  # an answer

    def learn(self, make: Callable[[], Answering]) -> None:
        """What it answers by from now on: what ``make`` makes there, of parts that can be pickled."""
        self._send(make)

    def ask(self, *job: Any) -> None:
        """To be had from :meth:`answer`, before the next is asked: an answer that nobody came for is thrown away."""
        self._send(job)
        self._owes = True

    def answer(self) -> Tensor:
        """On the CPU.

        Raises :class:`NotFinite` where samples ran away, of which the process does not end; ValueError for a mistake in
        the input that it met, and where it has ended; RuntimeError with the traceback of any other error there.
        """
        self._owes = False
        try:
            found = self._line.recv()
        except (EOFError, ConnectionError):
            self._process.join(_FAREWELL)
            how = how_ended(self._process.exitcode)
            raise ValueError(f"devices: the process of device {self._number} has ended {how}") from None
        if isinstance(found, NotFinite):
            raise found
        if not isinstance(found, _Met):
            return found
        if found.faults:
            raise Faults(*found.faults)
        raise RuntimeError(f"in the process of device {self._number}:\n{found.trace}")

    def end(self) -> None:
        """Whatever it is doing."""
        self._process.kill()
        self._process.join()

    def _send(self, message: Any) -> None:
        if self._owes:
            self._forget()
        sent = pickle.dumps(message)
        with contextlib.suppress(OSError):  # it has ended: what it has met lies in the pipe, for answer() to tell
            self._line.send_bytes(sent)

    def _forget(self) -> None:
        """The answer to a job that was given up, since another process met an error."""
        with contextlib.suppress(EOFError, ConnectionError):  # it has ended, which the next answer() tells
            self._line.recv_bytes()
        self._owes = False


class _Met(NamedTuple):
    """An error in another process."""

    faults: tuple[str, ...]  # of the user's input; none where it is a mistake of ours
    trace: str

    @classmethod
    def of(cls, error: Exception) -> "_Met":
        trace = "".join(traceback.format_exception(error))
        if not isinstance(error, ValueError | OSError) or not of_input(error):
            return cls((), trace)
        return cls(tuple(error.faults) if isinstance(error, Faults) else (line(error),), trace)


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """A process that is started inside ignores Ctrl-C from its first moment: it is for this one, which ends that."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _help(number: int, devices: int, packages: Sequence[str], to_first: Connection) -> None:
    """What a helper does until it is ended; it speaks through ``to_first`` alone."""
    try:
        torch.set_num_threads(_threads(devices))
        if torch.cuda.is_available():
            torch.cuda.set_device(number)
        add_packages(packages)
        answering: Answering | None = None
        for message in _messages(to_first):
            if isinstance(message, tuple):
                assert answering is not None  # it has learnt before it is asked
                to_first.send_bytes(pickle.dumps(_answer(answering, message)))
            else:
                answering = message()
    except Exception as error:  # the first process tells it, as if it had happened there
        with contextlib.suppress(OSError):  # where that is still there
            to_first.send_bytes(pickle.dumps(_Met.of(error)))


def _answer(answering: Answering, job: tuple[Any, ...]) -> Tensor | NotFinite:
    try:
        return answering(*job).cpu()
    except NotFinite as error:  # of these samples; a sweep goes on with others
        return error


def _messages(to_first: Connection) -> Iterator[Any]:
    """What comes, for as long as there is somebody to send it."""
    while True:
        try:
            message = to_first.recv()
        except (EOFError, ConnectionError):  # not every OSError: what a message is made of may meet one in an import
            return
        yield message


def _threads(devices: int) -> int:
    """Of each process, which share the cores where they compute on a CPU."""
    return torch.get_num_threads() if torch.cuda.is_available() else max(1, cores() // devices)
