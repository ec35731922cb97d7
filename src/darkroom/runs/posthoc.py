"""Averages of any width from snapshots of two (Karras et al. 2024, section 3.2; recipes of EDM2).

A run that kept snapshots has ``ema/<step>.safetensors``, each with both averages as they stood after that step.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from safetensors import safe_open
from torch import Tensor

from darkroom.files import reading, replacing
from darkroom.networks.state import save_tensors
from darkroom.runs.folder import Run
from darkroom.runs.power_average import PowerAverage, power_exponent
from darkroom.runs.widths import NARROWEST, WIDEST, WIDTHS

_FARTHEST = 0.25  # of a made profile from the wanted one, in the square mean, relative: 20 snapshots reach 0.02


class Profile(NamedTuple):
    """How much each step up to ``step`` weighs in an average: proportional to its ``gamma``-th power."""

    step: int
    gamma: float


def inner_product(a: Profile, b: Profile) -> float:
    """Of two profiles as functions of the step, each of integral 1."""
    exponent = b.gamma if a.step < b.step else -a.gamma
    scale = (a.gamma + 1) * (b.gamma + 1) / ((a.gamma + b.gamma + 1) * max(a.step, b.step))
    return scale * (a.step / b.step) ** exponent


def coefficients(held: Sequence[Profile], wanted: Profile) -> Float64[np.ndarray, " n"]:
    """Of the held averages, the combination of sum 1 whose profile is nearest to the wanted one in the square mean."""
    among = np.array([[inner_product(a, b) for b in held] for a in held])
    against = np.array([inner_product(a, wanted) for a in held])
    solved = np.linalg.lstsq(among, against, rcond=1e-12)[0]
    return solved / solved.sum()


def distance(held: Sequence[Profile], shares: Float64[np.ndarray, " n"], wanted: Profile) -> float:
    """Of the combination's profile from the wanted one: the root of their squared difference's integral, relative."""
    among = np.array([[inner_product(a, b) for b in held] for a in held])
    against = np.array([inner_product(a, wanted) for a in held])
    own = inner_product(wanted, wanted)
    return float(np.sqrt(max(0.0, shares @ among @ shares - 2 * shares @ against + own) / own))


def write_snapshot(run: Run, step: int, averages: Sequence[PowerAverage]) -> None:
    """Both averages of :data:`WIDTHS` after ``step``."""
    tensors = {
        f"{width}/{name}": weight.contiguous().cpu()
        for width, average in zip(WIDTHS, averages, strict=True)
        for name, weight in average.weights.items()
    }
    with replacing(run.snapshots / f"{step:08d}.safetensors") as draft:
        save_tensors(tensors, draft)


def snapshots(run: Run, upto: int) -> dict[int, Path]:
    """Those of a run, by their steps, up to one of them."""
    found = {int(path.stem): path for path in run.snapshots.glob("*.safetensors") if re.fullmatch(r"\d+", path.stem)}
    return {step: found[step] for step in sorted(found) if step <= upto}


class Made(NamedTuple):
    """An average of another width, and what it was made of."""

    weights: dict[str, Tensor]  # by name, in float32
    step: int  # of the last snapshot
    snapshots: int
    distance: float  # of its profile from that of its width, relative


def posthoc_average(run: Run, sigma_rel: float, step: int) -> Made:
    """The average of that width after the last snapshot up to ``step``.

    Raises FileNotFoundError where the run kept no snapshots, and ValueError for a width that they cannot make and for a
    damaged one.
    """
    if not NARROWEST <= sigma_rel <= WIDEST:
        raise ValueError(f"ema={sigma_rel}: snapshots of {WIDTHS} make widths from {NARROWEST} to {WIDEST}")
    files = snapshots(run, step)
    if not files:
        raise FileNotFoundError(
            f"ema={sigma_rel}: {run.path} kept no snapshots of its averages; train with callback.snapshots.count=20"
        )
    held = [Profile(at, power_exponent(width)) for at in files for width in WIDTHS]
    wanted = Profile(max(files), power_exponent(sigma_rel))
    found = coefficients(held, wanted)
    if (off := distance(held, found, wanted)) > _FARTHEST:
        raise ValueError(
            f"ema={sigma_rel}: {len(files)} snapshots make no average of that width; nearer to {WIDTHS} they do"
        )
    shares = iter(found)
    total: dict[str, Tensor] = {}
    for path in files.values():
        with reading(path, "copy it again, or remove it"), safe_open(path, framework="pt") as file:
            for width in WIDTHS:
                share = next(shares)
                for key in (key for key in file.keys() if key.startswith(f"{width}/")):  # noqa: SIM118 - no mapping
                    name = key.removeprefix(f"{width}/")
                    part = share * file.get_tensor(key).double()
                    total[name] = total[name] + part if name in total else part
    weights = {name: weight.to(torch.float32) for name, weight in total.items()}
    return Made(weights, max(files), len(files), off)
