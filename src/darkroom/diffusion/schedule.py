"""Schedules: how much signal and how much noise there is at time t, x_t = alpha(t) x0 + sigma(t) eps.

t runs over [0, 1] and 0 is data. ratio = sigma / alpha rises with t; it alone says how noisy a sample is, and every
schedule can be walked through at the ratios of another (``time`` inverts ``ratio``). Beside the contract's five methods
a schedule says what time a network is shown, since that goes with its unit of time.

Methods take tensors or floats and answer in kind; tables are looked up in float64 and answer in the dtype of t.
"""

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from darkroom.contracts import Schedule
from darkroom.diffusion.pairs import ends_in_pure_noise


def in_kind(method: Callable[[Any, Tensor], Tensor]) -> Callable[[Any, Any], Any]:
    """Lets a method on tensors take a float too, in float64, and answer with a float."""

    @functools.wraps(method)
    def wrapped(self: Any, t: Any) -> Any:
        if isinstance(t, Tensor):
            return method(self, t)
        return method(self, torch.tensor(t, dtype=torch.float64)).item()

    return wrapped


class Coefficients(NamedTuple):
    """A schedule at the times of a batch, shaped to multiply it: each ``[b, 1, ...]``."""

    alpha: Tensor
    sigma: Tensor
    d_alpha: Tensor
    d_sigma: Tensor


def coefficients(schedule: Schedule, t: Tensor, like: Tensor) -> Coefficients:
    """``schedule`` at ``t`` (a scalar or ``[b]``) for a batch ``like``, in its dtype and on its device.

    Evaluated in the dtype of ``t`` first, so that float64 times lose nothing before the last cast.
    """
    values = (schedule.alpha(t), schedule.sigma(t), schedule.d_alpha(t), schedule.d_sigma(t))
    return Coefficients(*(v.to(like).reshape(-1, *[1] * (like.ndim - 1)) for v in values))


def shift(t: Tensor, factor: float, schedule: "NoiseSchedule") -> Tensor:
    """The times at which the ratio is ``factor`` times larger, log SNR 2 ln(factor) lower (recipes 2.4).

    On the flow path this is factor t / (1 + (factor - 1) t). Past a schedule's largest ratio it is 1.
    """
    return schedule.time(factor * schedule.ratio(t))


class NoiseSchedule(ABC):
    """What all schedules here share; see :class:`darkroom.contracts.Schedule` for the meaning of the methods."""

    ratio_min: float  # where grids in ln(ratio) end before 0; only on schedules whose ratio is finite at t = 1
    steps: int = 1000  # t is a multiple of 1 / steps for discrete time laws and grids; the length of a table

    @abstractmethod
    def alpha(self, t: Any) -> Any: ...

    @abstractmethod
    def sigma(self, t: Any) -> Any: ...

    @abstractmethod
    def d_alpha(self, t: Any) -> Any: ...

    @abstractmethod
    def d_sigma(self, t: Any) -> Any: ...

    @abstractmethod
    def time(self, ratio: Any) -> Any:
        """The t at which sigma / alpha = ratio; 1 for a ratio past the schedule's largest."""

    @abstractmethod
    def network_time(self, t: Any) -> Any:
        """Time in the unit a network is shown."""

    def native(self, fraction: Tensor) -> Tensor:
        """The times, as this schedule is usually walked, of equal steps of ``fraction`` from 1 to 0; 0 is not asked."""
        return fraction

    @in_kind
    def ratio(self, t: Tensor) -> Tensor:
        """sigma / alpha, infinite at t = 1 where a schedule ends in pure noise."""
        return self.sigma(t) / self.alpha(t)

    @in_kind
    def log_snr(self, t: Tensor) -> Tensor:
        """ln(alpha^2 / sigma^2)."""
        return -2 * torch.log(self.ratio(t))


@ends_in_pure_noise
@dataclass(frozen=True)
class Flow(NoiseSchedule):
    """The straight path: alpha = 1 - t, sigma = t (rectified flow, flow matching)."""

    time_scale: float = 1000.0  # a network is shown time_scale * t: SD3 and Flux 1000; SiT, LightningDiT and JiT 1

    @in_kind
    def alpha(self, t: Tensor) -> Tensor:
        return 1 - t

    @in_kind
    def sigma(self, t: Tensor) -> Tensor:
        return t.clone()

    @in_kind
    def d_alpha(self, t: Tensor) -> Tensor:
        return torch.full_like(t, -1)

    @in_kind
    def d_sigma(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    @in_kind
    def time(self, ratio: Tensor) -> Tensor:
        return 1 / (1 + 1 / ratio)  # right at 0 and at infinity, where ratio / (1 + ratio) is not

    @in_kind
    def network_time(self, t: Tensor) -> Tensor:
        return self.time_scale * t


@ends_in_pure_noise
@dataclass(frozen=True)
class Cosine(NoiseSchedule):
    """A quarter of a circle: alpha = cos(pi t / 2), sigma = sin(pi t / 2) (SiT's generalised variance preserving)."""

    time_scale: float = 1000.0

    @in_kind
    def alpha(self, t: Tensor) -> Tensor:
        return torch.sin(math.pi / 2 * (1 - t))  # exactly 0 at t = 1, where the cosine is 6e-17

    @in_kind
    def sigma(self, t: Tensor) -> Tensor:
        return torch.sin(math.pi / 2 * t)

    @in_kind
    def d_alpha(self, t: Tensor) -> Tensor:
        return -math.pi / 2 * self.sigma(t)

    @in_kind
    def d_sigma(self, t: Tensor) -> Tensor:
        return math.pi / 2 * self.alpha(t)

    @in_kind
    def time(self, ratio: Tensor) -> Tensor:
        return 2 / math.pi * torch.atan(ratio)

    @in_kind
    def network_time(self, t: Tensor) -> Tensor:
        return self.time_scale * t


@dataclass(frozen=True)
class VarianceExploding(NoiseSchedule):
    """alpha = 1, sigma = ratio_max * t: EDM's path (Karras et al. 2022) with its time in units of the largest noise."""

    ratio_min: float = 0.002
    ratio_max: float = 80.0

    def __post_init__(self) -> None:
        if not 0 < self.ratio_min < self.ratio_max:
            raise ValueError(f"ratio_min={self.ratio_min} and ratio_max={self.ratio_max}: want 0 < least < most")

    @in_kind
    def alpha(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    @in_kind
    def sigma(self, t: Tensor) -> Tensor:
        return self.ratio_max * t

    @in_kind
    def d_alpha(self, t: Tensor) -> Tensor:
        return torch.zeros_like(t)

    @in_kind
    def d_sigma(self, t: Tensor) -> Tensor:
        return torch.full_like(t, self.ratio_max)

    @in_kind
    def time(self, ratio: Tensor) -> Tensor:
        return (ratio / self.ratio_max).clamp(max=1)

    @in_kind
    def network_time(self, t: Tensor) -> Tensor:
        return torch.log(self.ratio(t)) / 4  # EDM's c_noise

    def native(self, fraction: Tensor) -> Tensor:
        """Equal steps of sigma^(1/7) towards ``ratio_min``, which only ``karras`` visits (Karras et al. 2022)."""
        smallest = (self.ratio_min / self.ratio_max) ** (1 / 7)
        return (smallest + (1 - smallest) * fraction) ** 7


class BetaTable(NoiseSchedule):
    """A variance-preserving chain of discrete steps, made continuous.

    Entry i = 0..T-1 has alpha_i^2 = prod_{j<=i} (1 - beta_j) and lies at t = (i + 1) / T. Between entries ln(ratio) is
    linear in t; before the first entry the ratio itself is, down to 0 at t = 0, so that the path ends in clean data.
    Derivatives are those of this path; at an entry, where it bends, the one of the stretch before it (towards data),
    which a sampler's step down from there runs through.
    """

    def __init__(self, betas: Tensor) -> None:
        """Raises ValueError where the table is too short to lie between two entries, or a beta is outside of (0, 1)."""
        if len(betas) < 2 or not bool(((betas > 0) & (betas < 1)).all()):
            raise ValueError("process.schedule: wants at least 2 steps, and betas between 0 and 1")
        log_alpha_bar = torch.cumsum(torch.log1p(-betas.double()), 0)
        # ratio^2 = (1 - alpha_bar) / alpha_bar
        self._log_ratios = (torch.log(-torch.expm1(log_alpha_bar)) - log_alpha_bar) / 2
        self._on_device = {self._log_ratios.device: self._log_ratios}  # so that no training step copies the table
        self.steps = len(betas)
        self.ratio_min = self._log_ratios[0].exp().item()

    @in_kind
    def alpha(self, t: Tensor) -> Tensor:
        ratio, _ = self._ratio_and_slope(t)
        return (1 + ratio**2).rsqrt().to(t.dtype)

    @in_kind
    def sigma(self, t: Tensor) -> Tensor:
        ratio, _ = self._ratio_and_slope(t)
        return (ratio * (1 + ratio**2).rsqrt()).to(t.dtype)

    @in_kind
    def d_alpha(self, t: Tensor) -> Tensor:
        ratio, slope = self._ratio_and_slope(t)
        return (-ratio * slope * (1 + ratio**2) ** -1.5).to(t.dtype)

    @in_kind
    def d_sigma(self, t: Tensor) -> Tensor:
        ratio, slope = self._ratio_and_slope(t)
        return (slope * (1 + ratio**2) ** -1.5).to(t.dtype)

    @in_kind
    def time(self, ratio: Tensor) -> Tensor:
        table, wanted = self._table(ratio.device), ratio.double()
        log_ratio = wanted.log().clamp(min=table[0], max=table[-1])
        left = (torch.searchsorted(table, log_ratio) - 1).clamp(0, self.steps - 2)
        position = left + (log_ratio - table[left]) / (table[left + 1] - table[left])
        position = torch.where(wanted < self.ratio_min, wanted / self.ratio_min - 1, position)
        return ((position + 1) / self.steps).to(ratio.dtype)

    @in_kind
    def network_time(self, t: Tensor) -> Tensor:
        return self.steps * t - 1  # the index, 0..T-1, fractional between entries

    def native(self, fraction: Tensor) -> Tensor:
        """Entries of the table, evenly spaced from the last: "trailing" of Lin et al. 2023."""
        return torch.round(self.steps * fraction) / self.steps

    def _ratio_and_slope(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """ratio and d ratio / dt in float64."""
        table = self._table(t.device)
        position = self.steps * t.double() - 1
        slack = (
            self.steps * torch.finfo(t.dtype).eps
        )  # an entry's time, rounded, still belongs to the stretch before it
        left = (torch.ceil(position - slack).long() - 1).clamp(0, self.steps - 2)
        rise = table[left + 1] - table[left]
        between = torch.exp(table[left] + (position - left) * rise)
        first = position <= slack
        ratio = torch.where(first, self.ratio_min * (position + 1), between)
        return ratio, self.steps * torch.where(first, self.ratio_min, between * rise)

    def _table(self, device: torch.device) -> Tensor:
        if device not in self._on_device:
            self._on_device[device] = self._log_ratios.to(device)
        return self._on_device[device]


class VPLinear(BetaTable):
    """Betas linear in the index: DDPM (Ho et al. 2020), ADM, DiT."""

    def __init__(self, beta_start: float = 1e-4, beta_end: float = 0.02, steps: int = 1000) -> None:
        super().__init__(torch.linspace(beta_start, beta_end, steps, dtype=torch.float64))


class ScaledLinear(BetaTable):
    """Square roots of the betas linear in the index; the default ends are those of Stable Diffusion 1 and 2."""

    def __init__(self, beta_start: float = 8.5e-4, beta_end: float = 0.012, steps: int = 1000) -> None:
        super().__init__(torch.linspace(beta_start**0.5, beta_end**0.5, steps, dtype=torch.float64) ** 2)
