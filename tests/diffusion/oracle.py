"""What the tests of diffusion share: the configured parts, an ideal network, and exact moments of any sampler."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from darkroom.contracts import Condition, Denoiser, Sampler
from darkroom.diffusion.ideal import Gaussian
from darkroom.diffusion.parameterization import Edm
from darkroom.diffusion.plan import SamplingPlan
from darkroom.diffusion.process import Process
from darkroom.diffusion.schedule import (
    BetaTable,
    Cosine,
    Flow,
    NoiseSchedule,
    ScaledLinear,
    VarianceExploding,
    VPLinear,
    coefficients,
)
from darkroom.keys import Keys

CONF = Path(__file__).parents[2] / "conf"
PROCESSES = sorted(path.stem for path in CONF.glob("process/*.yaml"))
SAMPLERS = sorted(path.stem for path in CONF.glob("sampler/*.yaml"))
SCHEDULES: list[NoiseSchedule] = [Flow(), Cosine(), VPLinear(), ScaledLinear(), VarianceExploding()]


@functools.cache
def node(group: str, name: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(overrides=[f"+{group}={name}"])[group]


def process_of(name: str) -> Process:
    return instantiate(node("process", name))


def plan_of(name: str) -> SamplingPlan:
    return instantiate(node("sampler", name))


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def ideal_network(process: Process, data: Gaussian) -> Callable[[Tensor, Tensor, Condition], Tensor]:
    """The network that a process would train on ``data``: it gets what networks get, and says what they should."""
    schedule, parameterization = process.schedule, process.parameterization
    denoise = data.denoiser(schedule)

    def time_to_t(time: Tensor) -> Tensor:
        if isinstance(parameterization, Edm):
            return schedule.time(torch.exp(4 * time))
        if isinstance(schedule, BetaTable):
            return (time + 1) / schedule.steps
        return time / schedule.time_scale

    def network(x: Tensor, time: Tensor, condition: Condition) -> Tensor:  # noqa: ARG001
        t = time_to_t(time)
        at = coefficients(schedule, t, like=x)
        x_t = x / parameterization.c_in(at)
        x0_hat = denoise(x_t, t)
        return parameterization.target(x0_hat, (x_t - at.alpha * x0_hat) / at.sigma, at)

    return network


@dataclass(frozen=True)
class UnitNoise(Keys):
    """Draws 1 for row 2 + i at step i and 0 elsewhere: reads off how a sampler weighs each of its draws."""

    step: int = 0

    def fold(self, data: int | str) -> "UnitNoise":
        return replace(self, step=int(str(data).split()[1]))

    def to(self, device: torch.device | str) -> "UnitNoise":  # noqa: ARG002
        return self

    def normal(self, shape: tuple[int, ...] = (), dtype: torch.dtype = torch.float32) -> Tensor:
        drawn = torch.from_numpy(self.words == 2 + self.step).to(dtype)
        return drawn.reshape(-1, *[1] * len(shape)).expand(-1, *shape)


def exact_moments(
    sampler: Sampler, denoiser: Denoiser, data: Gaussian, schedule: NoiseSchedule, times: Tensor
) -> tuple[float, float]:
    """Mean and variance of a sampler's answers from the exact marginal at its first time, for a linear denoiser.

    Then a sample is linear in its starting noise and in every draw on the way; one row each reads the gains off.
    """
    rows = len(times) + 1
    noise = torch.zeros(rows, 1, dtype=torch.float64)
    noise[1] = 1
    out = sampler(denoiser, noise, schedule, times, UnitNoise(np.arange(rows, dtype=np.uint64))).flatten()
    start_gain, step_gains = out[1] - out[0], out[2:] - out[0]
    mean, variance = (m / schedule.sigma(times[0]) ** n for n, m in enumerate(data.marginal(schedule, times[0]), 1))
    return (
        (out[0] + start_gain * mean).item(),
        (start_gain**2 * variance + step_gains.square().sum()).item(),
    )
