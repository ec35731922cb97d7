"""Distances of two sets of features by a kernel: KID (Binkowski et al. 2018) and CMMD (Jayasumana et al. 2024).

All in float64, and in tiles, so that no matrix of all pairs is ever there.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.rows import require_finite

_TILE = 1024  # rows of either set at once
_BANDWIDTH = 10.0  # sigma of CMMD's Gaussian kernel
_SCALE = 1000.0  # CMMD is told in thousandths

Kernel = Callable[[Tensor, Tensor], Tensor]


class Spread(NamedTuple):
    """Over subsets: ``std`` (with n) is neither an error of the mean nor an interval."""

    mean: float
    std: float


def kid(
    generated: Float[Tensor, "m d"],
    reference: Float[Tensor, "n d"],
    *,
    subsets: int = 100,
    size: int = 1000,
    seed: int = 2020,
) -> Spread:
    """Unbiased MMD^2 with the kernel (x . y / d + 1)^3, over random subsets drawn as torch-fidelity draws them.

    Below 0 is a valid answer. Raises ValueError for subsets larger than a set, and as :func:`kid_of_all_pairs`.
    """
    require_finite(generated, reference)
    if size > min(len(generated), len(reference)):
        raise ValueError(
            f"kid: subsets of {size} want as many features of both sets, not {len(generated)} and {len(reference)}; "
            "draw more pictures or set kid_size lower"
        )
    random = np.random.RandomState(seed)  # of the metric's definition, not of ours: peers draw the same
    values = []
    for _ in range(subsets):
        x = generated[torch.from_numpy(random.choice(len(generated), size, replace=False))]
        y = reference[torch.from_numpy(random.choice(len(reference), size, replace=False))]
        values.append(kid_of_all_pairs(x, y))
    return Spread(float(np.mean(values)), float(np.std(values)))


def kid_of_all_pairs(generated: Float[Tensor, "m d"], reference: Float[Tensor, "n d"]) -> float:
    """One unbiased estimate over all pairs: nothing random in it.

    Raises ValueError for fewer than two rows, and for one that is not finite.
    """
    require_finite(generated, reference)
    for rows in (generated, reference):
        if len(rows) < 2:
            raise ValueError(f"kid: {len(rows)} features have no pairs; give at least two pictures")
    x, y = generated.double(), reference.double()
    return _mean_of_others(x) + _mean_of_others(y) - 2 * _sum(_cubic, x, y) / (len(x) * len(y))


def cmmd(generated: Float[Tensor, "m d"], reference: Float[Tensor, "n d"]) -> float:
    """1000 times the biased MMD^2 with the kernel exp(-|x - y|^2 / 200), over rows of length 1 (CLIP's projections).

    Sums 1 - k rather than k, which lies within 2 % of 1. Raises ValueError where rows are not of length 1
    or not finite.
    """
    require_finite(generated, reference)
    x, y = generated.double(), reference.double()
    for rows in (x, y):
        if bool(((rows.norm(dim=1) - 1).abs() > 1e-3).any()):
            raise ValueError("cmmd: wants features of length 1; normalise them, as CLIP does")
    own, other, across = (_sum(_gaussian_less_1, a, b) / (len(a) * len(b)) for a, b in ((x, x), (y, y), (x, y)))
    return _SCALE * (own + other - 2 * across)


def _mean_of_others(x: Tensor) -> float:
    """The kernel's mean over pairs of two different rows."""
    own = float(((x.square().sum(dim=1) / x.shape[1] + 1) ** 3).sum())
    return (_sum(_cubic, x, x) - own) / (len(x) * (len(x) - 1))


def _cubic(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _gaussian_less_1(x: Tensor, y: Tensor) -> Tensor:
    distance = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1) - 2 * x @ y.T
    return torch.expm1(-distance.clamp(min=0) / (2 * _BANDWIDTH**2))


def _sum(kernel: Kernel, x: Tensor, y: Tensor) -> float:
    return float(sum(kernel(a, b).sum() for a, b in _tiles(x, y)))


def _tiles(x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for a in x.split(_TILE):
        for b in y.split(_TILE):
            yield a, b
