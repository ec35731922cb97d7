"""Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020), by nearest neighbours.

Distances are Euclidean, in float64 and as squares, in tiles: at float32's precision a copy is not at distance 0 from
what it copies. A ball reaches from a feature to its k-th nearest other one of the same set.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from darkroom.metrics.rows import require_finite

_TILE = 1024  # rows of either set at once
_ROUNDING = 1e-13  # of the sum of two rows' squares: rounding leaves 1e-14, and a last digit of float32 is 3e-15


class Nearest(NamedTuple):
    """Of each row of one set the nearest row of another: its place, the first among equals, and its distance."""

    index: Int64[Tensor, " m"]  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    distance: Float[Tensor, " m"]


@dataclass(frozen=True)
class Neighbours:
    """Counts, of ``m`` generated and ``n`` reference features, and the shares made of them."""

    m: int
    n: int
    k: int
    inside_reference: int  # generated features inside some ball of the reference
    inside_generated: int  # the other way round
    containments: int  # pairs of a ball of the reference and a generated feature inside it
    squared_containments: int  # over generated features, the sum of the squares of how many balls each is inside
    visited: int  # balls of the reference with at least one generated feature inside

    @property
    def counts(self) -> dict[str, int]:
        """All of them, by name."""
        return asdict(self)

    @property
    def precision(self) -> float:
        return self.inside_reference / self.m

    @property
    def recall(self) -> float:
        return self.inside_generated / self.n

    @property
    def density(self) -> float:
        """May exceed 1."""
        return self.containments / (self.k * self.m)

    @property
    def density_sd(self) -> float:
        """Standard error of this mean over generated features, over other ones beside the same reference."""
        scatter = self.m * self.squared_containments - self.containments**2
        return (scatter / (self.m - 1)) ** 0.5 / (self.k * self.m)

    @property
    def coverage(self) -> float:
        return self.visited / self.n


def neighbours(generated: Float[Tensor, "m d"], reference: Float[Tensor, "n d"], *, k: int, closed: bool) -> Neighbours:
    """``closed``: what lies on a ball's border is inside, as precision and recall have it (with k = 3); density and
    coverage have it outside (with k = 5).

    Raises ValueError for fewer than k + 1 features, and for one that is not finite.
    """
    require_finite(generated, reference)
    x, y = generated.double(), reference.double()
    for each in (x, y):
        if len(each) <= k:
            raise ValueError(f"neighbours: {len(each)} features have no {k}-th neighbour; give more than {k} pictures")
    of_generated, of_reference = radii(x, k), radii(y, k)
    containments = torch.zeros(len(x), dtype=torch.int64)
    inside_generated, visited = torch.zeros(len(y), dtype=torch.bool), torch.zeros(len(y), dtype=torch.bool)
    for rows, columns in _tiles(len(x), len(y)):
        distance = _squares(x[rows], y[columns])
        in_reference = _within(distance, of_reference[columns][None], closed)
        in_generated = _within(distance, of_generated[rows][:, None], closed)
        containments[rows] += in_reference.sum(dim=1).cpu()
        visited[columns] |= in_reference.any(dim=0).cpu()
        inside_generated[columns] |= in_generated.any(dim=0).cpu()
    return Neighbours(
        m=len(x),
        n=len(y),
        k=k,
        inside_reference=int((containments > 0).sum()),
        inside_generated=int(inside_generated.sum()),
        containments=int(containments.sum()),
        squared_containments=int(containments.square().sum()),
        visited=int(visited.sum()),
    )


def radii(features: Float[Tensor, "n d"], k: int) -> Float[Tensor, " n"]:
    """The square of each feature's distance to its k-th nearest other one."""
    features = features.double()
    nearest = []
    for start in range(0, len(features), _TILE):
        rows = features[start : start + _TILE]
        best = torch.full((len(rows), k), torch.inf, dtype=torch.float64, device=features.device)
        for other in range(0, len(features), _TILE):
            distance = _squares(rows, features[other : other + _TILE])
            if other == start:
                distance.fill_diagonal_(torch.inf)
            best = torch.cat([best, distance], dim=1).topk(k, largest=False).values
        nearest.append(best[:, -1])
    return torch.cat(nearest)


def nearest(features: Float[Tensor, "m d"], among: Float[Tensor, "n d"]) -> Nearest:
    """Raises ValueError where there is none to choose, or one that is not finite."""
    require_finite(features, among)
    if not len(among):
        raise ValueError("neighbours: there are no features to choose the nearest of; give at least one picture")
    found = []
    for rows in features.split(_TILE):
        x = rows.double()
        least = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
        index = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        for start in range(0, len(among), _TILE):
            closest = _squares(x, among[start : start + _TILE].double()).min(dim=1)
            closer = closest.values < least
            least = torch.where(closer, closest.values, least)
            index = torch.where(closer, closest.indices + start, index)
        found.append(Nearest(index, least.sqrt()))
    return Nearest(torch.cat([each.index for each in found]), torch.cat([each.distance for each in found]))


def _within(distance: Tensor, radius: Tensor, closed: bool) -> Tensor:
    return distance <= radius if closed else distance < radius


def _squares(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances; of what rounding leaves of them where rows are equal, 0."""
    lengths = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1)
    squares = torch.addmm(lengths, x, y.T, alpha=-2)
    return squares.masked_fill_(squares <= _ROUNDING * lengths, 0)


def _tiles(m: int, n: int) -> Iterator[tuple[slice, slice]]:
    for row in range(0, m, _TILE):
        for column in range(0, n, _TILE):
            yield slice(row, row + _TILE), slice(column, column + _TILE)
