"""The plain mean of a number over pictures (evaluation.md 5), and how sure it is (7)."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric


class Mean(NamedTuple):
    """``sd`` is its standard error, over other pictures of the same law; None where one picture does not tell."""

    value: float
    sd: float | None


def mean(values: Float[Tensor, " n"]) -> Mean:
    """Of one number a picture, in float64; NaN of none."""
    sd = values.double().std().item() / len(values) ** 0.5 if len(values) > 1 else None
    return Mean(values.double().mean().item(), sd)


class MeanOverPictures(Metric):
    """Sums in float64 with a count, so that batches and processes of any size give the same mean."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def add(self, values: Float[Tensor, " b"]) -> None:
        """One number a picture."""
        self.total += values.double().sum()
        self.count += len(values)

    def compute(self) -> Float[Tensor, ""]:
        """The mean; NaN where there was nothing to average."""
        return self.total / self.count
