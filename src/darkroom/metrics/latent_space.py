"""What a denoiser finds in an autoencoder's latents: how many channels count, how they depend, and how fine they are.

Axes: b batch, c channels, h w latent sides.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from darkroom.contracts import Posterior

BANDS = (1 / 3, 2 / 3)  # of the highest frequency along a side: where the middle band begins, and the high one


@dataclass(frozen=True)
class LatentDiagnostics:
    """Of a draw from the posterior of a random picture. The spectrum is that of the latent's own grid.

    Two autoencoders of one reconstruction may differ here: channels that say the same, or noise and power at high
    frequencies, are what a denoiser has to learn besides the picture.
    """

    eigenvalues: Float64[Tensor, " c"]  # of the channels' covariance at a place, falling
    effective_rank: float  # 1 to c: exp of the entropy of the eigenvalues' shares (Roy and Vetterli 2007, section 2)
    largest_correlation: float  # 0 to 1: of two channels, by size; 0 where there is one
    noise_share: float  # 0 to 1: of the variance, what the posterior draws anew each time
    low: float  # shares of the variance by spatial frequency; the three add up to 1
    middle: float
    high: float


class Collapsed(ValueError):
    """Latents that are the same for every picture."""


class LatentSpace:
    """Sums over a stream of posteriors, in float64.

    By the law of total variance cov(z) = cov(means) + mean(variances): no draw is needed. Latents are expected near
    mean 0 and deviation 1, as a first stage gives them: sums of squares then lose no digits.
    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        self._pictures = 0
        self._sum = torch.zeros(channels, dtype=torch.float64)
        self._products = torch.zeros(channels, channels, dtype=torch.float64)
        self._noise = torch.zeros(channels, dtype=torch.float64)
        self._power = torch.zeros(height, width, dtype=torch.float64)

    def update(self, posterior: Posterior) -> None:
        """Adds a batch, on whatever device it lies."""
        mean, std = posterior.mean.double().cpu(), posterior.std.double().cpu()
        rows = mean.movedim(1, -1).flatten(0, 2)
        self._pictures += len(mean)
        self._sum += rows.sum(dim=0)
        self._products += rows.T @ rows
        self._noise += std.square().sum(dim=(0, 2, 3))
        self._power += torch.fft.fft2(mean, norm="forward").abs().square().sum(dim=(0, 1))

    def compute(self) -> LatentDiagnostics:
        """Raises :class:`Collapsed` where the latents never vary: then nothing is in them."""
        places = self._power.numel()
        count = max(1, self._pictures * places)
        mean, noise = self._sum / count, self._noise / count
        covariance = self._products / count - torch.outer(mean, mean) + noise.diag()
        total = float(covariance.trace())
        if not total > 1e-12 * float(1 + mean.square().sum()):  # else rounding, or NaN
            raise Collapsed(f"the latents of {self._pictures} pictures do not vary; the autoencoder has collapsed")
        power = self._power / self._pictures + noise.sum() / places  # a draw's noise is white
        power[0, 0] -= mean.square().sum()
        eigenvalues = torch.linalg.eigvalsh(covariance).flip(0).clamp(min=0)
        return LatentDiagnostics(
            eigenvalues=eigenvalues,
            effective_rank=effective_rank(eigenvalues),
            largest_correlation=largest_correlation(covariance),
            noise_share=float(noise.sum()) / total,
            **dict(zip(("low", "middle", "high"), _bands(power), strict=True)),
        )


def effective_rank(eigenvalues: Float64[Tensor, " c"]) -> float:
    """As :class:`LatentDiagnostics` has it; c where all are alike, and 1 where all but one are 0."""
    shares = eigenvalues / eigenvalues.sum()
    return float(torch.special.entr(shares).sum().exp())


def largest_correlation(covariance: Float64[Tensor, "c c"]) -> float:
    """The largest off the diagonal, without its sign; a channel that never varies has none."""
    deviations = covariance.diagonal().clamp(min=0).sqrt()
    scale = torch.outer(deviations, deviations)
    correlation = torch.where(scale > 0, covariance / scale, 0.0).fill_diagonal_(0.0)
    return float(correlation.abs().max())


def _bands(power: Float64[Tensor, "h w"]) -> list[float]:
    """Shares of :data:`BANDS`, by distance from frequency 0."""
    rows, columns = (torch.fft.fftfreq(side, d=0.5, dtype=torch.float64) for side in power.shape)  # 1: the highest
    radius = torch.hypot(rows[:, None], columns)
    inside = [radius < BANDS[0], (radius >= BANDS[0]) & (radius < BANDS[1]), radius >= BANDS[1]]
    return [float(power[band].sum() / power.sum()) for band in inside]
