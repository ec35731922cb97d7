"""A process is four parts: it owns the training loss and turns a network into a denoiser."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.contracts import Condition, Denoiser, Network
from darkroom.diffusion.pairs import require_pair
from darkroom.diffusion.parameterization import Parameterization
from darkroom.diffusion.schedule import Coefficients, NoiseSchedule, coefficients
from darkroom.diffusion.time_law import TimeLaw
from darkroom.diffusion.weighting import Weighting
from darkroom.keys import Keys


@dataclass(frozen=True)
class Process:
    """Raises ValueError, naming both, where the parameterization cannot work on the schedule (recipes 4.2)."""

    schedule: NoiseSchedule
    parameterization: Parameterization
    time_law: TimeLaw
    weighting: Weighting

    def __post_init__(self) -> None:
        require_pair(self.parameterization, self.schedule)

    def loss(
        self, network: Network, x0: Float[Tensor, "b ..."], condition: Condition, keys: Keys
    ) -> Float[Tensor, " b"]:
        """Weighted squared error of each sample, the mean over its elements; one key a sample.

        Everything outside of the network is in float32 (float64 for a float64 ``x0``), whatever autocast does inside.
        """
        x0, keys = _at_least_float32(x0), keys.to(x0.device)
        t = self.time_law(keys.fold("time"), self.schedule)
        eps = keys.fold("noise").normal(x0.shape[1:], dtype=x0.dtype)
        at = coefficients(self.schedule, t, like=x0)
        prediction = self._predict(network, at.alpha * x0 + at.sigma * eps, t, at, condition)
        error = (prediction - self.parameterization.target(x0, eps, at)).square().flatten(1).mean(1)
        return self.weighting(self.parameterization.factor(at), at).flatten() * error

    def denoiser(self, network: Network, condition: Condition) -> Denoiser:
        """x0_hat of (x_t, t) under ``condition``; t is a scalar or one value a sample, and not 0."""

        def denoise(x_t: Float[Tensor, "b ..."], t: Float[Tensor, "*b"]) -> Float[Tensor, "b ..."]:
            x_t = _at_least_float32(x_t)
            at = coefficients(self.schedule, t, like=x_t)
            return self.parameterization.x0_hat(self._predict(network, x_t, t, at, condition), x_t, at)

        return denoise

    def _predict(self, network: Network, x_t: Tensor, t: Tensor, at: Coefficients, condition: Condition) -> Tensor:
        time = self.parameterization.network_time(self.schedule, t).to(x_t).expand(len(x_t))
        return network(self.parameterization.c_in(at) * x_t, time, condition).to(x_t.dtype)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
