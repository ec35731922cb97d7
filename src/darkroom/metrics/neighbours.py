"""Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020), by nearest neighbours.

Distances are Euclidean, in float64 and as squares, in tiles: at float32's precision a copy is not at distance 0 from
what it copies. A ball reaches from a feature to its k-th nearest other one of the same set.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor

_TILE = 1024  # rows of either set at once


@dataclass(frozen=True)
class Neighbours:
    """Counts, of ``m`` generated and ``n`` reference features, and the shares made of them."""

    m: int
    n: int
    k: int
    inside_reference: int  # generated features inside some ball of the reference
    inside_generated: int  # the other way round
    containments: int  # pairs of a ball of the reference and a generated feature inside it
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
    def coverage(self) -> float:
        return self.visited / self.n


def neighbours(generated: Float[Tensor, "m d"], reference: Float[Tensor, "n d"], *, k: int, closed: bool) -> Neighbours:
    """``closed``: what lies on a ball's border is inside, as precision and recall have it (with k = 3); density and
    coverage have it outside (with k = 5).

    Raises ValueError for fewer than k + 1 features.
    """
    x, y = generated.double(), reference.double()
    for each in (x, y):
        if len(each) <= k:
            raise ValueError(f"neighbours: {len(each)} features have no {k}-th neighbour; give more than {k} pictures")
    of_generated, of_reference = radii(x, k), radii(y, k)
    inside_reference = torch.zeros(len(x), dtype=torch.bool)
    inside_generated, visited = torch.zeros(len(y), dtype=torch.bool), torch.zeros(len(y), dtype=torch.bool)
    containments = 0
    for rows, columns in _tiles(len(x), len(y)):
        distance = _squares(x[rows], y[columns])
        in_reference = _within(distance, of_reference[columns][None], closed)
        in_generated = _within(distance, of_generated[rows][:, None], closed)
        inside_reference[rows] |= in_reference.any(dim=1).cpu()
        visited[columns] |= in_reference.any(dim=0).cpu()
        inside_generated[columns] |= in_generated.any(dim=0).cpu()
        containments += int(in_reference.sum())
    return Neighbours(
        m=len(x),
        n=len(y),
        k=k,
        inside_reference=int(inside_reference.sum()),
        inside_generated=int(inside_generated.sum()),
        containments=containments,
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


def _within(distance: Tensor, radius: Tensor, closed: bool) -> Tensor:
    return distance <= radius if closed else distance < radius


def _squares(x: Tensor, y: Tensor) -> Tensor:
    return (x.square().sum(dim=1)[:, None] + y.square().sum(dim=1) - 2 * x @ y.T).clamp(min=0)


def _tiles(m: int, n: int) -> Iterator[tuple[slice, slice]]:
    for row in range(0, m, _TILE):
        for column in range(0, n, _TILE):
            yield slice(row, row + _TILE), slice(column, column + _TILE)
