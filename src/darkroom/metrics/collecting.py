"""Features as they come in: their mean and covariance, and as many of their rows as are wanted beside these."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.moments import Moments, MomentSums

HELD = 65_536  # rows of features in memory at most, where nothing but their Frechet distance is asked for


class Collected(NamedTuple):
    """Moments of all rows; some of the rows, or none."""

    moments: Moments
    rows: Float[Tensor, "k d"] | None


def collected(batches: Iterable[Float[Tensor, "_ d"]], *, every: int | None = 1) -> Collected:
    """Holds every ``every``-th row, from the first on; None holds none, so that memory does not grow with them.

    Raises ValueError for a row that is not finite, and for fewer than two.
    """
    sums, rows, seen = MomentSums(), [], 0
    for batch in batches:
        sums.update(batch)
        if every is not None:
            rows.append(batch[-seen % every :: every].clone())  # of a view the whole batch would stay
        seen += len(batch)
    return Collected(sums.compute(), None if every is None else torch.cat(rows))


def spacing(n: int) -> int:
    """The least distance between rows of ``n`` that holds no more than :data:`HELD` of them."""
    return -(-n // HELD)
