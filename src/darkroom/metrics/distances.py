"""Families of distances between two sets of features, each number with the record of what decides it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.frechet import frechet_distance
from darkroom.metrics.kernel import kid
from darkroom.metrics.moments import moments
from darkroom.metrics.neighbours import Neighbours, neighbours
from darkroom.metrics.protocol import measured
from darkroom.metrics.statistics_file import Statistics

FEW = 2048  # samples below which a distance tells their number rather than their quality
_SUBSETS = 100  # of KID
_PRECISION_K, _COVERAGE_K = 3, 5  # Kynkaanniemi et al. 2019, Naeem et al. 2020


@dataclass(frozen=True)
class Sets:
    """Features of two sets of pictures, and how they came about: extractor, preparation, both lists."""

    generated: Float[Tensor, "m d"]
    reference: Statistics
    protocol: Mapping[str, Any]
    kid_size: int  # pictures of each of KID's subsets

    @property
    def reference_features(self) -> Float[Tensor, "n d"]:
        """Raises ValueError where the reference is a mean and a covariance alone."""
        if self.reference.features is None:
            raise ValueError("reference: holds mean and covariance alone, which give metrics=[fd] and no other")
        return self.reference.features

    @property
    def extractor(self) -> str:
        return self.protocol["extractor"]["name"]

    def number(self, value: float, metric: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
        """A number of these sets."""
        sizes = {"m": len(self.generated), "n": self.reference.moments.n}
        return measured(value, {"metric": dict(metric), **sizes, **self.protocol}, **facts)


def frechet(sets: Sets) -> dict[str, Any]:
    """``fd_<extractor>``; what rounding put below 0 is told as 0, and as ``raw``."""
    value = frechet_distance(moments(sets.generated), sets.reference.moments)
    return {f"fd_{sets.extractor}": sets.number(max(0.0, value), {"name": "frechet", "ddof": 1}, raw=value)}


def kernel(sets: Sets) -> dict[str, Any]:
    """``kid_<extractor>``; ``std`` is over subsets and no error of the mean."""
    value = kid(sets.generated, sets.reference_features, subsets=_SUBSETS, size=sets.kid_size)
    metric = {"name": "kid", "kernel": "cubic", "subsets": _SUBSETS, "subset_size": sets.kid_size, "seed": 2020}
    return {f"kid_{sets.extractor}": sets.number(value.mean, metric, std=value.std)}


def precision_recall(sets: Sets) -> dict[str, Any]:
    """``precision`` and ``recall``: of generated pictures inside the reference's balls, and the other way round."""
    found = neighbours(sets.generated, sets.reference_features, k=_PRECISION_K, closed=True)
    return _shares(sets, found, ("precision", "recall"), closed=True)


def density_coverage(sets: Sets) -> dict[str, Any]:
    """``density`` and ``coverage`` of the reference's balls."""
    found = neighbours(sets.generated, sets.reference_features, k=_COVERAGE_K, closed=False)
    return _shares(sets, found, ("density", "coverage"), closed=False)


def _shares(sets: Sets, found: Neighbours, names: Sequence[str], *, closed: bool) -> dict[str, Any]:
    return {
        name: sets.number(getattr(found, name), {"name": name, "k": found.k, "closed": closed}, counts=found.counts)
        for name in names
    }


FAMILIES: dict[str, Callable[[Sets], dict[str, Any]]] = {
    "fd": frechet,
    "kid": kernel,
    "precision_recall": precision_recall,
    "density_coverage": density_coverage,
}
