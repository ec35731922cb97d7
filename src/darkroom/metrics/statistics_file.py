"""Statistics of a reference as one ``.npz``: ours, and those that FID's other programs leave (evaluation.md 9).

Ours holds ``format mu sigma n protocol``, and ``mu_s sigma_s features`` where they are there; pytorch-fid and EDM read
its mu and sigma as their own, guided-diffusion mu_s and sigma_s too. In those of guided-diffusion, pytorch-fid,
clean-fid and EDM nothing says how they were made. clean-fid's for KID (``NAME_kid.npz``) has features alone, ``feats``.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.files import replacing
from darkroom.metrics.moments import Moments, moments

_FORMAT = 1
_UNEVEN = 1e-6  # of the largest entry or eigenvalue: what rounding leaves of symmetry and of signs


@dataclass(frozen=True)
class Statistics:
    """Mean and covariance; how they were made and the features themselves, where the file says so."""

    moments: Moments
    protocol: Mapping[str, Any] | None
    features: Float[Tensor, "n d"] | None
    spatial: Moments | None = None  # of the second features that sFID is made of


def write_statistics(path: Path, statistics: Statistics) -> None:
    """Whole or not at all; an existing file is replaced."""
    moments = statistics.moments
    record = np.frombuffer(json.dumps(statistics.protocol, sort_keys=True).encode(), dtype=np.uint8)
    arrays: dict[str, Any] = {"format": np.int64(_FORMAT), "n": np.int64(moments.n or 0), "protocol": record}
    arrays |= {"mu": moments.mean.numpy(), "sigma": moments.covariance.numpy()}
    if statistics.spatial is not None:
        arrays |= {"mu_s": statistics.spatial.mean.numpy(), "sigma_s": statistics.spatial.covariance.numpy()}
    if statistics.features is not None:
        arrays["features"] = statistics.features.numpy()
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez(file, **arrays)


def read_statistics(path: Path, *, features: bool = True) -> Statistics:
    """With the features that are there, unless these are not wanted, and the moments of spatial ones where both are.

    Raises ValueError in one line for what is no such file, or no mean and covariance of anything.
    """
    wanted = ("mu", "sigma", "mu_s", "sigma_s", "n", "protocol", "feats", *(("features",) if features else ()))
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in wanted if name in file.files}
            protocol = json.loads(arrays["protocol"].tobytes()) if "protocol" in arrays else None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"reference={path}: is no .npz of numbers ({' '.join(str(error).split())[:100]})") from error
    if not isinstance(protocol, dict | None):
        raise ValueError(f"reference={path}: its protocol is no mapping")
    if "feats" in arrays and not {"mu", "sigma"} & arrays.keys():
        return _of_rows_alone(path, arrays["feats"])
    if faults := [name for name in ("mu", "sigma") if name not in arrays]:
        raise ValueError(f"reference={path}: holds no {faults[0]}; statistics are mu and sigma")
    of = _moments(path, arrays, "mu", "sigma")
    rows = torch.from_numpy(arrays["features"]) if "features" in arrays else None
    if rows is not None and (fault := _fault_of_rows(rows, of)):
        raise ValueError(f"reference={path}: {fault}")
    spatial = _moments(path, arrays, "mu_s", "sigma_s") if {"mu_s", "sigma_s"} <= arrays.keys() else None
    return Statistics(of, protocol, rows, spatial)


def _of_rows_alone(path: Path, rows: np.ndarray) -> Statistics:
    if rows.dtype.kind != "f" or rows.ndim != 2 or len(rows) < 2 or not np.isfinite(rows).all():
        raise ValueError(f"reference={path}: feats of {list(rows.shape)} are not two or more rows of finite numbers")
    features = torch.from_numpy(rows.astype(np.float32))
    return Statistics(moments(features), None, features)


def _moments(path: Path, arrays: Mapping[str, Any], mu: str, sigma: str) -> Moments:
    n = arrays.get("n", np.int64(0))
    if n.shape or any(arrays[name].dtype.kind not in "fiu" for name in (mu, sigma)) or n.dtype.kind not in "iu":
        raise ValueError(f"reference={path}: {mu} and {sigma} are not real numbers, or n is not one whole number")
    mean, covariance = (torch.from_numpy(arrays[name].astype(np.float64)) for name in (mu, sigma))
    if fault := _fault(mean, covariance, mu, sigma):
        raise ValueError(f"reference={path}: {fault}")
    return Moments(int(n) or None, mean, covariance)


def _fault(mean: Tensor, covariance: Tensor, mu: str, sigma: str) -> str | None:
    if mean.ndim != 1 or not len(mean) or covariance.shape != (len(mean), len(mean)):
        return f"{mu} of {list(mean.shape)} and {sigma} of {list(covariance.shape)} do not belong together"
    if not bool(mean.isfinite().all() & covariance.isfinite().all()):
        return f"{mu} or {sigma} is not finite"
    largest = covariance.abs().max()
    if bool((covariance - covariance.T).abs().max() > _UNEVEN * largest):
        return f"{sigma} is not symmetric"
    eigenvalues = torch.linalg.eigvalsh(covariance)
    if bool(eigenvalues[0] < -_UNEVEN * eigenvalues[-1]):
        return f"{sigma} has negative eigenvalues, so it is no covariance"
    return None


def _fault_of_rows(rows: Tensor, of: Moments) -> str | None:
    n, width = of.n, len(of.mean)
    if rows.ndim != 2 or rows.shape[1] != width or n not in (None, len(rows)):
        return f"features of {list(rows.shape)} do not belong to n={n} and mu of [{width}]"
    return None if bool(rows.isfinite().all()) else "features are not finite"
