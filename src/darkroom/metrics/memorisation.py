"""Whether a generator copies: how near its pictures lie to training pictures, beside how near held-out ones do.

How near a new picture comes to a training picture by chance depends on the data and on the features, so held-out real
pictures set the scale. Distances are Euclidean, in float64.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.agreement import Interval, wilson
from darkroom.metrics.neighbours import Nearest, nearest
from darkroom.metrics.protocol import measured

QUANTILE = 0.05  # of held-out distances: what is below it is near, and so large a share is by chance
LEAST = round(1 / QUANTILE) - 1  # held-out pictures: the smallest of fewer lies above the quantile
_CHANCE = 1e-3  # what is less probable is told as copying


class Pair(NamedTuple):
    """A generated picture and the training picture nearest to it, by their places."""

    generated: int
    training: int
    distance: float
    beaten: float  # share of held-out pictures whose own nearest is farther


@dataclass(frozen=True)
class Memorisation:
    """The nearest of ``n`` training pictures to each of ``m`` generated and ``k`` held-out ones."""

    generated: Nearest
    held_out: Nearest
    n: int

    @property
    def m(self) -> int:
        return len(self.generated.distance)

    @property
    def k(self) -> int:
        return len(self.held_out.distance)

    @property
    def threshold(self) -> float:
        """What one more held-out picture stays below with probability :data:`QUANTILE`: rank q (k + 1) of k."""
        return float(np.quantile(self.held_out.distance.numpy(), QUANTILE, method="weibull"))

    @property
    def near(self) -> int:
        """Generated pictures below the threshold."""
        return int((self.generated.distance < self.threshold).sum())

    @property
    def share(self) -> float:
        """Of generated pictures, those that are near: :data:`QUANTILE` of a generator that copies no more than chance.

        The held-out pictures are a sample too, which makes that expectation uncertain by :attr:`expected_sd`.
        """
        return self.near / self.m

    @property
    def interval(self) -> Interval:
        """Of the share, the threshold taken as given."""
        return wilson(self.near, self.m)

    @property
    def expected_sd(self) -> float:
        """Of the probability of a new picture below the threshold: a rank of k uniform numbers is a beta variable."""
        return math.sqrt(QUANTILE * (1 - QUANTILE) / (self.k + 2))

    @property
    def nearest_of_all(self) -> int:
        """Generated pictures nearer than every held-out one: a few that are copied among many that are not show here,
        but one held-out picture with a twin in the training hides them."""
        return int((self.generated.distance < self.held_out.distance.min()).sum())

    @property
    def chance(self) -> float:
        """The probability that the so many least of m + k distances in random order are all generated ones."""
        return math.prod((self.m - i) / (self.m + self.k - i) for i in range(self.nearest_of_all))

    @property
    def ratio(self) -> float:
        """Of the medians of distances, generated to held-out: 1 where neither is nearer."""
        generated, held_out = (float(np.median(each.distance.numpy())) for each in (self.generated, self.held_out))
        return generated / held_out

    @property
    def z(self) -> float:
        """Mann-Whitney's U of the two sets of distances, in its standard deviations (Meehan, Chaudhuri and Dasgupta
        2020, without their cells): below -3 the generated pictures are nearer as a whole, by copying or by showing only
        what is common; above 3 they are farther from all that is real. A few copies do not move it.
        """
        m, k = self.m, self.k
        held_out = self.held_out.distance.sort().values
        below, not_above = (
            torch.searchsorted(held_out, self.generated.distance, right=right).double().mean().item() / k
            for right in (False, True)
        )
        return ((below + not_above) / 2 - 0.5) / math.sqrt((m + k + 1) / (12 * m * k))

    @property
    def copies(self) -> bool:
        """Whether more pictures are near than the sizes of both sets let happen by chance."""
        return self.interval.low > QUANTILE + 2 * self.expected_sd or self.chance < _CHANCE

    def closest(self, count: int) -> list[Pair]:
        """The closest pairs, closest first."""
        order = self.generated.distance.argsort(stable=True)[:count]
        distances, training = self.generated.distance[order], self.generated.index[order]
        beaten = (self.held_out.distance[None] > distances[:, None]).double().mean(dim=1)
        columns = (each.tolist() for each in (order, training, distances, beaten))
        return [Pair(*row) for row in zip(*columns, strict=True)]


def memorisation(
    generated: Float[Tensor, "m d"], training: Float[Tensor, "n d"], held_out: Float[Tensor, "k d"]
) -> Memorisation:
    """From the features of three sets of pictures, whose rows are the places that it speaks of.

    Raises ValueError where held-out pictures are too few, or so many of them are training pictures that everything
    would look innocent beside them.
    """
    if len(held_out) < LEAST:
        raise ValueError(f"held_out: {len(held_out)} pictures set no scale; give {LEAST} or more")
    found = Memorisation(nearest(generated, training), nearest(held_out, training), len(training))
    if found.threshold == 0:
        same = int((found.held_out.distance == 0).sum())
        remedy = "give pictures that were kept out of the training"
        raise ValueError(f"held_out: {same} of {found.k} pictures are training pictures; {remedy}")
    return found


def numbers(found: Memorisation, protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Each by its name, with its record, of which ``protocol`` has ``extractor``, ``training`` and ``held_out``."""
    sizes = {"m": found.m, "n": found.n, "k": found.k}

    def number(value: float, name: str, **facts: Any) -> dict[str, Any]:
        metric = {"name": name, "distance": "euclidean", "quantile": QUANTILE}
        return measured(value, {"metric": metric, **sizes, **protocol}, **facts)

    expected = {"expected": QUANTILE, "expected_sd": found.expected_sd}
    interval = {"count": found.near, "interval": list(found.interval), "threshold": found.threshold}
    closest = {"count": found.nearest_of_all, "expected": 1 / (found.k + 1), "probability": found.chance}
    return {
        "memorisation_share": number(found.share, "share below the quantile of held-out", **interval, **expected),
        "memorisation_closest": number(found.nearest_of_all / found.m, "share below all held-out", **closest),
        "memorisation_ratio": number(found.ratio, "ratio of medians to held-out", expected=1.0),
        "memorisation_z": number(found.z, "Mann-Whitney z against held-out", expected=0.0),
    }
