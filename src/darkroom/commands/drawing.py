"""Samples drawn on several devices at once, in processes of their own; all else stays in the first.

Batches go to the devices in turn and come back in their order, so that samples and what is measured of them are those
of one device.
"""

import contextlib
import queue
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import UInt8
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, multiprocessing

from darkroom.build import add_packages
from darkroom.commands.checking.devices import cores
from darkroom.commands.draw import configured
from darkroom.contracts import Prompts
from darkroom.generation.generator import Generator
from darkroom.keys import Keys
from darkroom.runs.folder import Run, find_run

_LOOK = 2.0  # seconds between two looks at whether a process is still there


@contextlib.contextmanager
def on_devices(run: Run, config: DictConfig) -> Iterator[Generator]:
    """The run's generator as the command line has it, on ``config.devices`` of them."""
    generator = configured(run, config)
    if config.devices == 1:
        yield generator
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(_threads(config.devices))
    helpers = [Helper(number, config) for number in range(1, config.devices)]
    try:
        own = {field.name: getattr(generator, field.name) for field in fields(Generator)}
        yield SharedGenerator(**own, helpers=helpers)
    finally:
        for helper in helpers:
            helper.end()
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class SharedGenerator(Generator):
    """A generator that has others draw too; see :class:`Generator`."""

    helpers: Sequence["Helper"] = ()

    def __call__(
        self, prompts: Prompts, keys: Keys, *, batch_size: int, negative: str | None = None
    ) -> Iterator[UInt8[Tensor, "b 3 H W"]]:
        """As :class:`Generator` has it. Raises ValueError where another process cannot draw, or has ended."""
        starts = range(0, len(keys), batch_size)
        for first in range(0, len(starts), 1 + len(self.helpers)):
            own, *theirs = starts[first : first + 1 + len(self.helpers)]
            asked = list(zip(self.helpers, theirs, strict=False))
            for helper, start in asked:
                helper.ask(*self.rows(prompts, keys, start, batch_size), negative)
            pictures = self.pictures(*self.rows(prompts, keys, own, batch_size), negative)
            yield pictures[: len(keys) - own]
            for helper, start in asked:
                yield helper.answer()[: len(keys) - start]


class Helper:
    """A process that draws on device ``number`` what it is asked for; it ends with this one."""

    def __init__(self, number: int, config: DictConfig) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of a process that uses CUDA cannot
        self._number = number
        self._asked, self._drawn = context.Queue(), context.Queue()
        plain = OmegaConf.to_container(config, resolve=True)
        self._process = context.Process(
            target=_draw, args=(number, plain, self._asked, self._drawn), name=f"device {number}", daemon=True
        )
        self._process.start()

    def ask(self, prompts: Prompts, keys: Keys, negative: str | None) -> None:
        """One batch, to be had from :meth:`answer`."""
        self._asked.put((prompts, keys, negative))

    def answer(self) -> UInt8[Tensor, "b 3 H W"]:
        """The batch, on the CPU. Raises ValueError for what the process met, or where it has ended."""
        while True:
            try:
                found = self._drawn.get(timeout=_LOOK)
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


def _draw(number: int, plain: dict[str, Any], asked: Any, drawn: Any) -> None:
    """What a helper does until it is ended; it speaks through ``drawn`` alone."""
    torch.set_num_threads(_threads(plain["devices"]))
    if torch.cuda.is_available():
        torch.cuda.set_device(number)
    config = OmegaConf.create(plain)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for the first, which ends this one
    try:
        add_packages(config.get("packages") or ())
        generator = configured(find_run(config.run), config)
        for prompts, keys, negative in _batches(asked):
            drawn.put(generator.pictures(prompts, keys, negative).cpu())
    except Exception as error:  # the first process tells it, as if it had happened there
        drawn.put(" ".join(str(error).split()) or type(error).__name__)


def _batches(asked: Any) -> Iterator[tuple[Prompts, Keys, str | None]]:
    """What is asked for, for as long as there is somebody to ask."""
    first = multiprocessing.parent_process()
    while first is not None and first.is_alive():
        with contextlib.suppress(queue.Empty):
            yield asked.get(timeout=_LOOK)


def _threads(devices: int) -> int:
    """Of each process, which share the cores where they draw on a CPU."""
    return torch.get_num_threads() if torch.cuda.is_available() else max(1, cores() // devices)
