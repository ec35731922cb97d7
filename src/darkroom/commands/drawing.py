"""Samples drawn on several devices at once: what is measured of them is what one device gives."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from jaxtyping import UInt8
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from darkroom.commands.draw import configured
from darkroom.commands.helpers import Answering, Helper, helping, in_turn
from darkroom.contracts import Prompts
from darkroom.generation.generator import Generator
from darkroom.keys import Keys
from darkroom.runs.folder import Run, find_run


@contextlib.contextmanager
def on_devices(run: Run, config: DictConfig) -> Iterator[Generator]:
    """The run's generator as the command line has it, on ``config.devices`` of them."""
    with helping(config) as helpers:
        yield shared(run, config, helpers)


def shared(run: Run, config: DictConfig, helpers: Sequence[Helper]) -> Generator:
    """The run's generator as the command line has it; ``helpers`` draw of its batches as many as they can."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    for helper in helpers:
        helper.learn(partial(_drawing, str(run.path), plain))
    generator = configured(run, config)
    if not helpers:
        return generator
    own = {field.name: getattr(generator, field.name) for field in fields(Generator)}
    return SharedGenerator(**own, helpers=helpers)


@dataclass(frozen=True)
class SharedGenerator(Generator):
    """A generator that has others draw too; see :class:`Generator`."""

    helpers: Sequence[Helper] = ()

    def __call__(
        self, prompts: Prompts, keys: Keys, *, batch_size: int, negative: str | None = None
    ) -> Iterator[UInt8[Tensor, "b 3 H W"]]:
        """As :class:`Generator` has it. Raises ValueError where another process cannot draw, or has ended."""
        starts = range(0, len(keys), batch_size)
        jobs = ((*self.rows(prompts, keys, start, batch_size), negative) for start in starts)
        for start, pictures in zip(starts, in_turn(self.helpers, jobs, self.pictures), strict=True):
            yield pictures[: len(keys) - start]


def _drawing(path: str, plain: dict[str, Any]) -> Answering:
    return configured(find_run(path), OmegaConf.create(plain)).pictures
