"""Processes that answer jobs beside this one, each on a device of its own.

Jobs go to the devices in turn and come back in their order, so that what is made of the answers is what one device
makes.
"""

import contextlib
import itertools
import queue
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, multiprocessing

from darkroom.build import add_packages
from darkroom.commands.checking.devices import cores

Answering = Callable[..., Tensor]  # a job's parts to its answer

_LOOK = 2.0  # seconds between two looks at whether a process is still there


@contextlib.contextmanager
def helping(config: DictConfig) -> Iterator[Sequence["Helper"]]:
    """One on each of ``config.devices`` but the first, which is this process's; they end with the block."""
    if config.devices == 1:
        yield []
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(_threads(config.devices))
    packages = list(config.get("packages") or ())
    helpers = [Helper(number, devices=config.devices, packages=packages) for number in range(1, config.devices)]
    try:
        yield helpers
    finally:
        for helper in helpers:
            helper.end()
        torch.set_num_threads(threads)


def in_turn(helpers: Sequence["Helper"], jobs: Iterable[tuple[Any, ...]], own: Answering) -> Iterator[Tensor]:
    """What each of ``jobs`` is answered, in their order: the first by ``own``, as many after it by the helpers, ...

    Raises ValueError where another process cannot answer, or has ended.
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
    """A process on device ``number`` of ``devices`` that answers what it is asked; it ends with this one."""

    def __init__(self, number: int, *, devices: int, packages: Sequence[str] = ()) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of a process that uses CUDA cannot
        self._number = number
        self._asked, self._answers = context.Queue(), context.Queue()
        arguments = (number, devices, packages, self._asked, self._answers)
        self._process = context.Process(target=_help, args=arguments, name=f"device {number}", daemon=True)
        self._process.start()

    def learn(self, make: Callable[[], Answering]) -> None:
        """What it answers by from now on: what ``make`` makes there, of parts that can be pickled."""
        self._asked.put(make)

    def ask(self, *job: Any) -> None:
        """To be had from :meth:`answer`."""
        self._asked.put(job)

    def answer(self) -> Tensor:
        """On the CPU. Raises ValueError for what the process met, or where it has ended."""
        while True:
            try:
                found = self._answers.get(timeout=_LOOK)
            except queue.Empty:
                if not self._process.is_alive():
                    code = self._process.exitcode
                    raise ValueError(f"devices: the process of device {self._number} has ended ({code})") from None
            else:
                if isinstance(found, str):
                    raise ValueError(found)
                return found

    def end(self) -> None:
        """Whatever it is doing."""
        self._process.kill()
        self._process.join()


def _help(number: int, devices: int, packages: Sequence[str], asked: Any, answers: Any) -> None:
    """What a helper does until it is ended; it speaks through ``answers`` alone."""
    torch.set_num_threads(_threads(devices))
    if torch.cuda.is_available():
        torch.cuda.set_device(number)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for the first, which ends this one
    try:
        add_packages(packages)
        answering: Answering | None = None
        for message in _messages(asked):
            if isinstance(message, tuple):
                assert answering is not None  # it has learnt before it is asked
                answers.put(answering(*message).cpu())
            else:
                answering = message()
    except Exception as error:  # the first process tells it, as if it had happened there
        answers.put(" ".join(str(error).split()) or type(error).__name__)


def _messages(asked: Any) -> Iterator[Any]:
    """What comes, for as long as there is somebody to send it."""
    first = multiprocessing.parent_process()
    while first is not None and first.is_alive():
        with contextlib.suppress(queue.Empty):
            yield asked.get(timeout=_LOOK)


def _threads(devices: int) -> int:
    """Of each process, which share the cores where they compute on a CPU."""
    return torch.get_num_threads() if torch.cuda.is_available() else max(1, cores() // devices)
