"""Frechet distance from statistics: darkroom's time beside torch-fidelity's and that of scipy's matrix root.

python benchmarks/frechet.py [--width 2048] [--rows 2048 2560] [--repeats 3]

Statistics are of so many rows of features whose variances fall as 1 / i, in directions of no axis. With as many rows as
numbers, or fewer, covariances are singular; with some more they are not. Prints the median of each, taken by turns, and
how many times longer the others take: torch-fidelity's own function, and the formula that clean-fid and pytorch-fid
share. Beside each its value, since a fast wrong one is worth nothing.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import scipy
import torch
from torch_fidelity.metric_fid import fid_statistics_to_metric

from darkroom.keys import keys
from darkroom.metrics.frechet import frechet_distance
from darkroom.metrics.moments import Moments, moments


def features(rows: int, width: int, turn: torch.Tensor, seed: int) -> torch.Tensor:
    """[rows, width] in float64."""
    drawn = keys(seed=seed, purpose="benchmark", places=range(rows)).normal((width,), dtype=torch.float64)
    return drawn * torch.arange(1, width + 1).double().rsqrt() @ turn


def by_matrix_root(a: Moments, b: Moments) -> float:
    """As clean-fid and pytorch-fid have it: the trace of the root of the product, its real part."""
    root = np.real(scipy.linalg.sqrtm(a.covariance.numpy() @ b.covariance.numpy()))
    difference = (a.mean - b.mean).numpy()
    return float(difference @ difference + np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.trace(root))


def by_torch_fidelity(a: Moments, b: Moments) -> float:
    theirs = ({"mu": each.mean.numpy(), "sigma": each.covariance.numpy()} for each in (a, b))
    return fid_statistics_to_metric(*theirs, verbose=False)["frechet_inception_distance"]


WAYS: dict[str, Callable[[Moments, Moments], float]] = {
    "darkroom": frechet_distance,
    "torch-fidelity": by_torch_fidelity,
    "sqrtm": by_matrix_root,
}


def measured(a: Moments, b: Moments, repeats: int) -> dict[str, tuple[float, float]]:
    """Of each way the median of its seconds, and its value."""
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    values: dict[str, float] = {}
    for _ in range(repeats):
        for name, way in WAYS.items():
            start = time.perf_counter()
            values[name] = way(a, b)
            times[name].append(time.perf_counter() - start)
    return {name: (statistics.median(times[name]), values[name]) for name in WAYS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--rows", type=int, nargs="+", default=[2048, 2560])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    versions = f"torch {torch.__version__}, numpy {np.__version__}, scipy {scipy.__version__}"
    print(f"{versions}, {torch.get_num_threads()} threads, {options.width} features")
    drawn = keys(seed=0, purpose="turn", places=range(options.width)).normal((options.width,), dtype=torch.float64)
    turn = torch.linalg.qr(drawn).Q
    print(f"{'rows':>6} {'':16} {'seconds':>8} {'times':>6}  value")
    for rows in options.rows:
        a, b = (moments(features(rows, options.width, turn, seed)) for seed in (1, 2))
        found = measured(a, b, options.repeats)
        for name, (seconds, value) in found.items():
            print(f"{rows:>6} {name:16} {seconds:8.3f} {seconds / found['darkroom'][0]:6.2f}  {value:.9f}")


if __name__ == "__main__":
    main()
