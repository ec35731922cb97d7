"""Closed forms: data whose best denoiser is known exactly, to test everything else against (recipes 14).

All data here are mixtures of isotropic Gaussians: one of them, several, or points where the stds are 0.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.contracts import Denoiser, FlowMap, Schedule
from darkroom.diffusion.schedule import coefficients


@dataclass(frozen=True)
class Gaussian:
    """N(mean, std^2 I). ``mean`` is a float or has the shape of a sample."""

    mean: Float[Tensor, "..."] | float
    std: float

    def denoiser(self, schedule: Schedule) -> Denoiser:
        """E[x0 | x_t]."""

        def denoise(x_t: Float[Tensor, "b ..."], t: Float[Tensor, "*b"]) -> Float[Tensor, "b ..."]:
            at = coefficients(schedule, t, like=x_t)
            gain = at.alpha * self.std**2 / ((at.alpha * self.std) ** 2 + at.sigma**2)
            return self.mean + gain * (x_t - at.alpha * self.mean)

        return denoise

    def marginal(self, schedule: Schedule, t: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of x_t, for a scalar t."""
        return schedule.alpha(t) * self.mean, (schedule.alpha(t) * self.std) ** 2 + schedule.sigma(t) ** 2

    def posterior_variance(self, schedule: Schedule, t: Tensor) -> Tensor:
        """Variance of x0 given x_t: the loss a dimension, in x0, that no network can go below."""
        return (self.std * schedule.sigma(t)) ** 2 / self.marginal(schedule, t)[1]

    def flow_map(self, schedule: Schedule) -> FlowMap:
        """The exact solution of the probability-flow ODE from t to r."""

        def flow(x_t: Float[Tensor, "b ..."], t: Tensor, r: Tensor) -> Float[Tensor, "b ..."]:
            (mean_t, var_t), (mean_r, var_r) = self.marginal(schedule, t), self.marginal(schedule, r)
            return mean_r + (x_t - mean_t) * torch.sqrt(var_r / var_t)

        return flow


@dataclass(frozen=True)
class Mixture:
    """Component k, N(means[k], stds[k]^2 I), with probability ``weights[k]``."""

    weights: Float[Tensor, " k"]
    means: Float[Tensor, "k ..."]
    stds: Float[Tensor, " k"]

    def denoiser(self, schedule: Schedule) -> Denoiser:
        """E[x0 | x_t]: the components' answers, weighted by how likely each is to have made x_t."""

        def denoise(x_t: Float[Tensor, "b ..."], t: Float[Tensor, "*b"]) -> Float[Tensor, "b ..."]:
            at = coefficients(schedule, t, like=x_t.flatten(1))
            means, x = self.means.flatten(1), x_t.flatten(1)
            variances = (at.alpha * self.stds) ** 2 + at.sigma**2  # [b, k]
            away = x[:, None] - at.alpha[..., None] * means  # [b, k, d]
            dim = x.shape[1]
            log_density = -away.square().sum(-1) / (2 * variances) - dim / 2 * torch.log(variances)
            share = torch.softmax(self.weights.log() + log_density, dim=1)
            answers = means + (at.alpha * self.stds**2 / variances)[..., None] * away
            return (share[..., None] * answers).sum(1).reshape(x_t.shape)

        return denoise


def points(data: Float[Tensor, "k ..."]) -> Mixture:
    """The empirical distribution of ``data``: what a network that remembers every sample would denoise to."""
    k = len(data)
    return Mixture(weights=data.new_full((k,), 1 / k), means=data, stds=data.new_zeros(k))
