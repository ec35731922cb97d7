"""Mean and standard deviation of the aggregate posterior, channel by channel, over a stream of batches."""

from collections.abc import Callable

import torch
from jaxtyping import Float64
from torch import Tensor

from darkroom.contracts import Posterior


class LatentStatistics:
    """Sums in float64 over pictures and places, of what a draw from the posterior would show.

    By the law of total variance, var(z) = var(means) + mean(variances): no draw is needed, and no noise gets in.
    """

    def __init__(self, channels: int) -> None:
        self.count = torch.zeros(1, dtype=torch.float64)  # of pictures times places
        self.sums = torch.zeros(2, channels, dtype=torch.float64)  # of z and of z squared

    def update(self, posterior: Posterior) -> None:
        """Adds a batch, on whatever device it lies."""
        mean, std = posterior.mean.double(), posterior.std.double()
        self.count += mean[:, 0].numel()
        self.sums[0] += mean.sum(dim=(0, 2, 3)).cpu()
        self.sums[1] += (mean.square() + std.square()).sum(dim=(0, 2, 3)).cpu()

    def reduce(self, sum_over_processes: Callable[[Tensor], Tensor]) -> None:
        """Makes the sums those of all processes, by a function such as an all-reduce with the sum."""
        self.count = sum_over_processes(self.count).cpu()
        self.sums = sum_over_processes(self.sums).cpu()

    @property
    def mean(self) -> Float64[Tensor, " c"]:
        """Raises ValueError before the first batch."""
        if not self.count:
            raise ValueError("the latent statistics saw no picture; is the training set empty?")
        return self.sums[0] / self.count

    @property
    def std(self) -> Float64[Tensor, " c"]:
        """1 for a channel that never varies: there is nothing to normalise, and nothing to divide by."""
        square = self.sums[1] / self.count
        variance = square - self.mean.square()
        return torch.where(variance > 1e-12 * square, variance.clamp(min=0).sqrt(), 1.0)
