"""The plain mean of a number over pictures (evaluation.md 5)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric


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
