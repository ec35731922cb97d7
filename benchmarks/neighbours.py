"""Precision and recall of many pictures against as many: seconds, and memory over that of the features.

python benchmarks/neighbours.py [--rows 10000] [--width 2048]

The memory is the process's largest resident set while it computes, less what was resident before: with the features,
float32, already there. The matrix of all distances alone would be rows x rows x 8 bytes.
"""

import argparse
import resource
import time
from pathlib import Path

import torch

from darkroom.keys import keys
from darkroom.metrics.neighbours import neighbours

MIB = 2**20


def resident() -> float:
    """MiB, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MIB


def most_resident() -> float:
    """MiB, since the process began."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=2048)
    options = parser.parse_args()
    generated, reference = (
        keys(seed=seed, purpose="benchmark", places=range(options.rows)).normal((options.width,)) for seed in (1, 2)
    )
    before, start = resident(), time.perf_counter()
    found = neighbours(generated, reference, k=3, closed=True)
    seconds, most = time.perf_counter() - start, most_resident()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{options.rows} against {options.rows} of {options.width} features: {seconds:.1f} s")
    features = 2 * options.rows * options.width * 4 / MIB
    matrix = options.rows**2 * 8 / MIB
    print(f"features {features:.0f} MiB, over that {most - before:.0f} MiB; all distances at once {matrix:.0f} MiB")
    print(f"precision {found.precision:.4f}, recall {found.recall:.4f}")


if __name__ == "__main__":
    main()
