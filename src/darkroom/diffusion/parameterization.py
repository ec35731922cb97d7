"""Parameterizations: what a network predicts, what it is fed, and how its answer becomes x0_hat.

Formulas are recipes 1; symbols: a = alpha, s = sigma, dots are d/dt, W = s da - a ds (negative), k = the native squared
error over that of x0_hat (recipes 3). Every method takes a :class:`Coefficients` shaped to multiply the batch.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.diffusion.pairs import needs_finite_ratio
from darkroom.diffusion.schedule import Coefficients, NoiseSchedule


class Parameterization(ABC):
    """What the network's output means."""

    @abstractmethod
    def target(
        self, x0: Float[Tensor, "b ..."], eps: Float[Tensor, "b ..."], at: Coefficients
    ) -> Float[Tensor, "b ..."]:
        """What the network should say."""

    @abstractmethod
    def x0_hat(
        self, prediction: Float[Tensor, "b ..."], x_t: Float[Tensor, "b ..."], at: Coefficients
    ) -> Float[Tensor, "b ..."]:
        """The clean sample that ``prediction`` means."""

    @abstractmethod
    def factor(self, at: Coefficients) -> Tensor:
        """k: divide a weight on the x0 loss by it to get the weight on the native loss."""

    def c_in(self, at: Coefficients) -> Tensor:
        """What x_t is multiplied by for the network.

        1 on paths that stay of order 1 (flow, variance preserving), 1 / sqrt(a^2 + s^2) on one that explodes.
        """
        return (at.alpha**2 + at.sigma**2).clamp(min=1).rsqrt()

    def network_time(self, schedule: NoiseSchedule, t: Tensor) -> Tensor:
        """The time that the network is shown."""
        return schedule.network_time(t)


@needs_finite_ratio(instead="V, Velocity or X0")
class Eps(Parameterization):
    """The noise (DDPM). Says nothing of x0 where alpha = 0."""

    def target(self, x0: Tensor, eps: Tensor, at: Coefficients) -> Tensor:  # noqa: ARG002
        return eps

    def x0_hat(self, prediction: Tensor, x_t: Tensor, at: Coefficients) -> Tensor:
        return (x_t - at.sigma * prediction) / at.alpha

    def factor(self, at: Coefficients) -> Tensor:
        return (at.alpha / at.sigma) ** 2


class X0(Parameterization):
    """The clean sample."""

    def target(self, x0: Tensor, eps: Tensor, at: Coefficients) -> Tensor:  # noqa: ARG002
        return x0

    def x0_hat(self, prediction: Tensor, x_t: Tensor, at: Coefficients) -> Tensor:  # noqa: ARG002
        return prediction

    def factor(self, at: Coefficients) -> Tensor:
        return torch.ones_like(at.alpha)


class V(Parameterization):
    """v = a eps - s x0 (Salimans and Ho 2022)."""

    def target(self, x0: Tensor, eps: Tensor, at: Coefficients) -> Tensor:
        return at.alpha * eps - at.sigma * x0

    def x0_hat(self, prediction: Tensor, x_t: Tensor, at: Coefficients) -> Tensor:
        return (at.alpha * x_t - at.sigma * prediction) / (at.alpha**2 + at.sigma**2)

    def factor(self, at: Coefficients) -> Tensor:
        return ((at.alpha**2 + at.sigma**2) / at.sigma) ** 2


class Velocity(Parameterization):
    """dx/dt = da x0 + ds eps; on the flow path eps - x0."""

    def target(self, x0: Tensor, eps: Tensor, at: Coefficients) -> Tensor:
        return at.d_alpha * x0 + at.d_sigma * eps

    def x0_hat(self, prediction: Tensor, x_t: Tensor, at: Coefficients) -> Tensor:
        return (at.sigma * prediction - at.d_sigma * x_t) / _wronskian(at)

    def factor(self, at: Coefficients) -> Tensor:
        return (_wronskian(at) / at.sigma) ** 2


@needs_finite_ratio(instead="V, Velocity or X0")
@dataclass(frozen=True)
class Edm(Parameterization):
    """F of EDM on any path: input, output and target of unit variance where the data's std is ``sigma_data``.

    Its network is shown ln(sigma / alpha) / 4, which is infinite where alpha = 0.
    """

    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        if self.sigma_data <= 0:
            raise ValueError(f"sigma_data={self.sigma_data} is a standard deviation: must be positive")

    def target(self, x0: Tensor, eps: Tensor, at: Coefficients) -> Tensor:
        d = self.sigma_data
        return (at.sigma * x0 / d - at.alpha * d * eps) * self.c_in(at)

    def x0_hat(self, prediction: Tensor, x_t: Tensor, at: Coefficients) -> Tensor:
        c_skip = at.alpha * (self.sigma_data * self.c_in(at)) ** 2
        c_out = at.sigma * self.sigma_data * self.c_in(at)
        return c_skip * x_t + c_out * prediction

    def factor(self, at: Coefficients) -> Tensor:
        return (at.sigma * self.sigma_data * self.c_in(at)) ** -2

    def c_in(self, at: Coefficients) -> Tensor:
        return ((at.alpha * self.sigma_data) ** 2 + at.sigma**2).rsqrt()

    def network_time(self, schedule: NoiseSchedule, t: Tensor) -> Tensor:
        return torch.log(schedule.ratio(t)) / 4


def _wronskian(at: Coefficients) -> Tensor:
    return at.sigma * at.d_alpha - at.alpha * at.d_sigma
