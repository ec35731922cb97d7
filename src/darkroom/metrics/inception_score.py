"""The Inception score (Salimans et al. 2016): how sure a classifier is, and of how many different classes."""

import itertools
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.rows import require_finite


class Score(NamedTuple):
    """Over splits; the std is with n. ``sd`` is the standard error of the mean, over other samples of the same law."""

    mean: float
    std: float
    sd: float | None  # None of a single sample


def inception_score(logits: Float[Tensor, "n classes"], *, splits: int = 10, shuffle_seed: int | None = 2020) -> Score:
    """exp of the mean KL(p(y | x), mean p(y)) of each split, in float64; shuffled and cut as torch-fidelity does.

    Without a shuffle (None) samples sorted by class give a score near 1. Raises ValueError for more splits than there
    are samples, and for logits that are not finite.
    """
    require_finite(logits)
    if not 1 <= splits <= len(logits):
        raise ValueError(f"inception_score: {len(logits)} samples do not fall into {splits} splits; give splits=1")
    if shuffle_seed is not None:
        order = np.random.RandomState(shuffle_seed).permutation(len(logits))  # of the metric's definition, not ours
        logits = logits[torch.from_numpy(order)]
    borders = [split * len(logits) // splits for split in range(splits + 1)]
    log_p = torch.log_softmax(logits.double(), dim=1)
    of_splits = [_divergences(log_p[start:end]) for start, end in itertools.pairwise(borders)]
    values = [float(each.mean().exp()) for each in of_splits]
    mean, std = float(np.mean(values)), float(np.std(values))
    # splits are independent sets, and the first-order error is too small for the few samples that each of them has
    return Score(mean, std, std / (splits - 1) ** 0.5 if splits > 1 else _error(mean, of_splits[0]))


def _divergences(log_p: Float[Tensor, "n classes"]) -> Float[Tensor, " n"]:
    """KL(p(y | x), mean p(y)) of each sample."""
    mean = torch.logsumexp(log_p, dim=0) - np.log(len(log_p))
    return (log_p.exp() * (log_p - mean)).sum(dim=1)


def _error(score: float, divergences: Float[Tensor, " n"]) -> float | None:
    """First-order: where a sample moves the mean p(y), the mean divergence stays, since it is least there."""
    n = len(divergences)
    return score * float(divergences.std()) / n**0.5 if n > 1 else None
