"""Which pictures a process visits, and when: functions of the step alone, so that nothing but the step is saved.

Training is one endless stream of positions. Position p = step * batch_size + place visits, in epoch p // n, the
picture at p % n of that epoch's order. Batches cross the borders of epochs, so every picture is seen equally often.
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
from torch.utils.data import Sampler

from darkroom.contracts import Visit
from darkroom.keys import permutation


def micro_batch_size(batch_size: int, *, world_size: int, accumulate: int) -> int:
    """The pictures that one process reads at once; raises ValueError where the global batch does not divide."""
    parts = world_size * accumulate
    if batch_size >= 1 and batch_size % parts == 0:
        return batch_size // parts
    below = batch_size // parts * parts
    fits = f"{below} or {below + parts}" if below > 0 else f"{parts}"
    raise ValueError(
        f"batch_size={batch_size} is the global batch and does not divide among {world_size} processes x "
        f"trainer.accumulate_grad_batches={accumulate}; use {fits}"
    )


class VisitSampler(Sampler[list[Visit]]):
    """The training visits of one process, a micro-batch at a time.

    In micro-batch m of its A, process r of W takes the places from (m W + r) b on, b of them: together the W A
    micro-batches of a step are the places 0 .. batch_size - 1 for any W and A.

    Args:
        size: pictures in the split.
        batch_size: global, a multiple of ``world_size * accumulate``.
        max_steps: the optimizer step at which the stream ends.
        start_step: asked whenever an iterator is made; a resumed run answers the step that it goes on with.
        repeat: visit the first ``repeat`` batches over and over (to see whether a network can overfit them); 0 is off.
    """

    def __init__(
        self,
        size: int,
        *,
        batch_size: int,
        seed: int,
        max_steps: int,
        start_step: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world_size: int = 1,
        accumulate: int = 1,
        repeat: int = 0,
    ):
        if size < 1:
            raise ValueError("the training split has no pictures")
        if max_steps < 0:
            raise ValueError(f"max_steps={max_steps}: training is counted in optimizer steps; set max_steps")
        self._micro = micro_batch_size(batch_size, world_size=world_size, accumulate=accumulate)
        self._size, self._batch_size, self._seed, self._max_steps = size, batch_size, seed, max_steps
        self._start_step, self._repeat = start_step, repeat
        self._rank, self._world_size, self._accumulate = rank, world_size, accumulate
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0))

    def __len__(self) -> int:
        """Micro-batches of the whole run, those before the start included.

        Lightning counts the batches of a resumed epoch from where it stopped; the run is its one epoch.
        """
        return self._max_steps * self._accumulate

    def __iter__(self) -> Iterator[list[Visit]]:
        return self._micro_batches(self._start_step())

    def _micro_batches(self, start: int) -> Iterator[list[Visit]]:
        for step in range(start, self._max_steps):
            for micro in range(self._accumulate):
                first = (micro * self._world_size + self._rank) * self._micro
                yield [self._visit(step, place) for place in range(first, first + self._micro)]

    def _visit(self, step: int, place: int) -> Visit:
        batch = step % self._repeat if self._repeat else step
        epoch, position = divmod(batch * self._batch_size + place, self._size)
        return Visit(int(self._order_of(epoch)[position]), epoch, step, place)

    def _order_of(self, epoch: int) -> np.ndarray:
        if self._order[0] != epoch:  # positions only grow, so one order at a time is enough
            self._order = (epoch, permutation(self._size, seed=self._seed, purpose="shuffle", step=epoch))
        return self._order[1]


class SequentialSampler(Sampler[list[Visit]]):
    """Each picture of a split once, over all processes: process r of W takes r, r + W, r + 2 W, ...

    Nothing is repeated to even the processes out. They still go through the same number of batches (a process that has
    one picture less splits its last batch), since the gathers of a sharded network would wait for ever otherwise; only
    single-picture batches are uneven.
    """

    def __init__(self, size: int, *, batch_size: int, rank: int = 0, world_size: int = 1):
        self._indices = range(rank, size, world_size)
        longest = -(-size // world_size)
        batches = -(-longest // batch_size)
        starts = [max(0, min(k * batch_size, len(self._indices) - batches + k)) for k in range(batches)]
        borders = sorted({*starts, len(self._indices)})
        self._spans = [range(a, b) for a, b in itertools.pairwise(borders)]

    def __len__(self) -> int:
        return len(self._spans)

    def __iter__(self) -> Iterator[list[Visit]]:
        for span in self._spans:
            yield [Visit(self._indices[i], 0, 0, self._indices[i]) for i in span]
