"""Mean and covariance of features, gathered in one pass in float64 (evaluation.md 6.2).

Rows are folded in chunks of a fixed size and in their order, so that the result is the same, to the bit, for any size
of the batches in which they come.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.rows import require_finite

_CHUNK = 256  # rows folded at once; a part of a protocol, since it decides the order of sums


@dataclass(frozen=True)
class Moments:
    """``n`` rows of features (None where a file does not say): their mean and covariance with n - 1, in float64."""

    n: int | None
    mean: Float[Tensor, " d"]
    covariance: Float[Tensor, "d d"]


class MomentSums:
    """Takes rows of features and answers their :class:`Moments`; memory grows with d alone."""

    def __init__(self) -> None:
        self._n = 0
        self._mean = self._scatter = torch.empty(0)
        self._waiting: list[Tensor] = []

    def update(self, features: Float[Tensor, "b d"]) -> None:
        """Adds rows. Raises ValueError where one is not finite: no distance would tell."""
        require_finite(features)
        for part in features.split(_CHUNK):  # so that no more than two chunks wait, however many rows there are
            self._waiting.append(part.double())
            if sum(map(len, self._waiting)) >= _CHUNK:
                rows = torch.cat(self._waiting)
                self._fold(*_of_rows(rows[:_CHUNK]))
                self._waiting = [rows[_CHUNK:]]

    def compute(self) -> Moments:
        """Raises ValueError for fewer than two rows, which have no covariance."""
        self._flush()
        if self._n < 2:
            raise ValueError(f"{self._n} rows of features have no covariance; give at least two pictures")
        return Moments(self._n, self._mean, self._scatter / (self._n - 1))

    def _flush(self) -> None:
        if self._waiting and len(rows := torch.cat(self._waiting)):
            self._fold(*_of_rows(rows))
        self._waiting = []

    def _fold(self, n: int, mean: Tensor, scatter: Tensor) -> None:
        """Chan, Golub and LeVeque 1979: two sets' means and scatters to those of both."""
        if not self._n:
            self._n, self._mean, self._scatter = n, mean, scatter
            return
        total = self._n + n
        difference = mean - self._mean
        self._mean = self._mean + difference * (n / total)
        self._scatter = self._scatter + scatter + torch.outer(difference, difference) * (self._n * n / total)
        self._n = total


def moments(features: Float[Tensor, "n d"]) -> Moments:
    """Those of features that are all there."""
    sums = MomentSums()
    sums.update(features)
    return sums.compute()


def _of_rows(rows: Tensor) -> tuple[int, Tensor, Tensor]:
    mean = rows.mean(dim=0)
    centred = rows - mean
    return len(rows), mean, centred.T @ centred
