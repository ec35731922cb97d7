"""Families of distances between two sets of features, each number with the record of what decides it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.agreement import wilson
from darkroom.metrics.extractor import FeatureExtractor
from darkroom.metrics.frechet import frechet_distance
from darkroom.metrics.frechet_error import bootstrap_sd, frechet_sd
from darkroom.metrics.inception_score import inception_score
from darkroom.metrics.kernel import cmmd, kid, kid_of_all_pairs
from darkroom.metrics.moments import Moments, moments
from darkroom.metrics.neighbours import Neighbours, neighbours
from darkroom.metrics.protocol import measured
from darkroom.metrics.statistics_file import Statistics
from darkroom.metrics.titles import title

FEW = 2048  # samples below which a distance tells their number rather than their quality
_SUBSETS, _KID_SIZE = 100, 1000  # of KID, as most have them
_PRECISION_K, _COVERAGE_K = 3, 5  # Kynkaanniemi et al. 2019, Naeem et al. 2020
_SPLITS = (10, 1)  # of the Inception score: as it was published, and without the noise that splitting adds
_BLOCKS, _IN_A_BLOCK = 10, 10  # of both sets, for a kernel distance's error, and the fewest pictures of each

LEAST = {  # pictures that a family wants of each set
    "fd": 2,
    "kid": 2,
    "precision_recall": _PRECISION_K + 1,
    "density_coverage": _COVERAGE_K + 1,
    "inception_score": max(_SPLITS),
    "cmmd": 2,
}


def of_references(families: Iterable[str]) -> list[str]:
    """Those of ``families`` that ask something of the reference too: all but the Inception score."""
    return [family for family in families if family != "inception_score"]


@runtime_checkable
class Classifier(Protocol):
    """An extractor whose features a classifier reads."""

    def logits(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n classes"]: ...


@dataclass(frozen=True)
class Sets:
    """Features of two sets of pictures, and how they came about: extractor, preparation, both lists.

    Raises ValueError for a reference of another width, whatever its protocol says.
    """

    generated: Float[Tensor, "m d"]
    reference: Statistics
    protocol: Mapping[str, Any]
    kid_size: int | None  # pictures of each of KID's subsets; None: 1000, or as many as the smaller set has
    extractor: FeatureExtractor
    errors: bool = True  # whether numbers come with theirs, which may take longer than they do
    own: Moments | None = None  # of all generated pictures, where ``generated`` are some: for the Frechet distance

    def __post_init__(self) -> None:
        theirs, ours = len(self.reference.moments.mean), self.generated.shape[1]
        if theirs != ours:
            raise ValueError(
                f"reference: its features have {theirs} numbers and those of {self.extractor.name} {ours}; give one "
                "that this extractor made, and where it was kept in cache=, delete it there"
            )

    @property
    def reference_features(self) -> Float[Tensor, "n d"]:
        """Raises ValueError where the reference is a mean and a covariance alone."""
        if self.reference.features is None:
            raise ValueError("reference: holds mean and covariance alone, which give metrics=[fd] and no other")
        return self.reference.features

    def title(self, distance: str) -> str:
        return title(distance, self.extractor)

    def number(self, value: float, metric: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
        """A number of these sets."""
        m = len(self.generated) if self.own is None else self.own.n
        sizes = {"m": m, "n": self.reference.moments.n, "width": self.generated.shape[1]}
        return measured(value, {"metric": dict(metric), **sizes, **self.protocol}, **facts)


def refuse_impossible(families: Sequence[str], extractor: FeatureExtractor) -> None:
    """Raises ValueError, before anything is computed, for a family that has no number by these features."""
    if "inception_score" in families and not isinstance(extractor, Classifier):
        raise ValueError(
            f"metrics: inception_score wants the logits of a classifier, and {extractor.name} gives features alone; "
            "give extractor=inception, or leave it out"
        )


def frechet(sets: Sets) -> dict[str, Any]:
    """``fd_<extractor>`` or ``fid``; what rounding put below 0 is told as 0, and as ``raw``; ``sd`` is its error."""
    own = moments(sets.generated) if sets.own is None else sets.own
    value = frechet_distance(own, sets.reference.moments)
    error = _frechet_error(sets, own) if sets.errors else {}
    return {sets.title("fd"): sets.number(max(0.0, value), {"name": "frechet", "ddof": 1}, raw=value, **error)}


def _frechet_error(sets: Sets, own: Moments) -> dict[str, Any]:
    """``sd``, and what it comes from."""
    sd, some = frechet_sd(sets.generated, own, sets.reference.moments), len(sets.generated)
    if sd is not None:
        return {"sd": sd, "sd_by": "first order" if some == own.n else f"first order, by {some} of {own.n}"}
    assert some == own.n  # a bootstrap is of all samples, and of so many that only some are held it is not asked
    return {"sd": bootstrap_sd(sets.generated, sets.reference.moments), "sd_by": "bootstrap of 200"}


def kernel(sets: Sets) -> dict[str, Any]:
    """``kid_<extractor>`` or ``kid`` over random subsets, as most have it, and ``kid_full_...`` once over all pairs.

    The latter has nothing random in it, which makes it the one to rank by. ``std`` is over the subsets and no error of
    their mean, ``sd`` is one.
    """
    generated, reference = sets.generated, sets.reference_features
    size = sets.kid_size or min(_KID_SIZE, len(generated), len(reference))
    value = kid(generated, reference, subsets=_SUBSETS, size=size)
    metric = {"name": "kid", "kernel": "cubic", "subsets": _SUBSETS, "subset_size": size, "seed": 2020}
    full = {"name": "kid_full", "kernel": "cubic", "estimator": "unbiased"}
    sd = _sd_of_blocks(kid_of_all_pairs, generated, reference, sets.errors)
    return {
        sets.title("kid"): sets.number(value.mean, metric, std=value.std, sd=sd),
        sets.title("kid_full"): sets.number(kid_of_all_pairs(generated, reference), full, sd=sd),
    }


def unit_kernel(sets: Sets) -> dict[str, Any]:
    """``cmmd_<extractor>``, or ``cmmd`` by the CLIP that it is defined by; of features brought to length 1."""
    x, y = (F.normalize(rows.double(), dim=1) for rows in (sets.generated, sets.reference_features))
    if min(len(x), len(y)) < 2:
        raise ValueError(f"cmmd: sets of {len(x)} and {len(y)} pictures have no distance; give at least two of each")
    metric = {"name": "cmmd", "kernel": "gaussian", "sigma": 10, "estimator": "biased", "normalised": True}
    sd = _sd_of_blocks(cmmd, x, y, sets.errors)
    return {sets.title("cmmd"): sets.number(cmmd(x, y), metric, sd=sd)}


def inception(sets: Sets) -> dict[str, Any]:
    """``inception_score`` in ten splits of all pictures, ``inception_score_1`` in one; the reference decides neither.

    ``std`` is over splits and no error, ``sd`` is one. Raises ValueError as :func:`refuse_impossible` does, and for
    fewer pictures.
    """
    refuse_impossible(["inception_score"], sets.extractor)
    assert isinstance(sets.extractor, Classifier)
    logits = sets.extractor.logits(sets.generated)
    answer = {}
    for name, splits in zip(names_of("inception_score", sets.extractor), _SPLITS, strict=True):
        score = inception_score(logits, splits=splits)
        metric = {"name": "inception_score", "splits": splits, "shuffle_seed": 2020}
        of_samples = {name: each for name, each in sets.protocol.items() if name != "reference"}
        protocol = {"metric": metric, "m": len(logits), **of_samples}
        std, sd = score.std if splits > 1 else None, score.sd if sets.errors else None
        answer[name] = measured(score.mean, protocol, std=std, sd=sd)
    return answer


def precision_recall(sets: Sets) -> dict[str, Any]:
    """``precision`` and ``recall``: of generated pictures inside the reference's balls, and the other way round."""
    found = neighbours(sets.generated, sets.reference_features, k=_PRECISION_K, closed=True)
    errors = {
        "precision": _interval(found.inside_reference, found.m),
        "recall": _interval(found.inside_generated, found.n),
    }
    return _of_neighbours(sets, found, errors, closed=True)


def density_coverage(sets: Sets) -> dict[str, Any]:
    """``density`` and ``coverage`` of the reference's balls; ``sd`` of the former is with these balls fixed."""
    found = neighbours(sets.generated, sets.reference_features, k=_COVERAGE_K, closed=False)
    errors = {
        "density": {"sd": found.density_sd if sets.errors else None},
        "coverage": _interval(found.visited, found.n),
    }
    return _of_neighbours(sets, found, errors, closed=False)


def _of_neighbours(
    sets: Sets, found: Neighbours, errors: Mapping[str, Mapping[str, Any]], *, closed: bool
) -> dict[str, Any]:
    """The numbers of ``found`` that ``errors`` names."""
    answer = {}
    for name, error in errors.items():
        metric = {"name": name, "k": found.k, "closed": closed}
        answer[name] = sets.number(getattr(found, name), metric, counts=found.counts, **error)
    return answer


def _interval(successes: int, trials: int) -> dict[str, Any]:
    """Wilson's, of 95 %, of a share, as if pictures did not depend on each other."""
    return {"interval": list(wilson(successes, trials))}


def _sd_of_blocks(
    distance: Callable[[Tensor, Tensor], float], generated: Tensor, reference: Tensor, wanted: bool
) -> float | None:
    """Of a distance over ten disjoint blocks of both sets (evaluation.md 7); None where these would be too small.

    Every tenth row makes a block, since folders often come sorted by what is on their pictures. Between sets of nearly
    one law the answer is too large rather than too small: there the error of a distance falls faster than with roots.
    """
    if not wanted or min(len(generated), len(reference)) < _BLOCKS * _IN_A_BLOCK:
        return None
    values = [distance(generated[i::_BLOCKS], reference[i::_BLOCKS]) for i in range(_BLOCKS)]
    mean = sum(values) / _BLOCKS
    return (sum((each - mean) ** 2 for each in values) / (_BLOCKS - 1) / _BLOCKS) ** 0.5


FAMILIES: dict[str, Callable[[Sets], dict[str, Any]]] = {
    "fd": frechet,
    "kid": kernel,
    "precision_recall": precision_recall,
    "density_coverage": density_coverage,
    "inception_score": inception,
    "cmmd": unit_kernel,
}


def names_of(family: str, extractor: FeatureExtractor) -> list[str]:
    """What the numbers of a family are called, in its order: after the extractor, but for those of neighbours."""
    match family:
        case "kid":
            return [title("kid", extractor), title("kid_full", extractor)]
        case "precision_recall" | "density_coverage":
            return family.split("_")
        case "inception_score":
            score = title("inception_score", extractor)
            return [score, f"{score}_{_SPLITS[1]}"]
        case _:
            return [title(family, extractor)]
