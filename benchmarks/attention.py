"""Fused attention against two written-out products, forward and backward, over numbers of keys and head widths.

python benchmarks/attention.py [--keys 16 32 64 128 256 512] [--widths 32 64] [--heads 6] [--batch 64] [--repeats 5]

Prints the time of the written-out products as a share of the fused kernel's: below 1 they are quicker. The constant
WRITTEN_OUT_KEYS of networks/blocks/attention.py is read off this table, for a CPU, in bf16 as training runs.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from darkroom.keys import keys
from darkroom.networks.blocks import attention as blocks

DTYPES = {"bf16": torch.bfloat16, "float32": torch.float32}


def seconds(run: Callable[[], object], least: float = 0.05) -> float:
    """The time of one call, over as many as take ``least`` seconds."""
    run()
    calls, passed, start = 0, 0.0, time.perf_counter()
    while passed < least:
        run()
        calls, passed = calls + 1, time.perf_counter() - start
    return passed / calls


def step(parts: tuple[Tensor, ...], upstream: Tensor, limit: int) -> Callable[[], object]:
    """Attention and its gradients, written out up to ``limit`` keys."""

    def run() -> tuple[Tensor, ...]:
        blocks.WRITTEN_OUT_KEYS = limit
        return torch.autograd.grad(blocks.attention(*parts), parts, upstream)

    return run


def ratio(dtype: torch.dtype, count: int, width: int, heads: int, batch: int, repeats: int) -> float:
    """Written out by fused, the median of alternating measurements."""
    made = keys(seed=0, purpose="benchmark", places=range(batch)).normal((4, heads, count, width)).to(dtype)
    *parts, upstream = (part.contiguous() for part in made.unbind(1))
    for part in parts:
        part.requires_grad_()
    written, fused = (step(tuple(parts), upstream, limit) for limit in (count, 0))
    return statistics.median(seconds(written) / seconds(fused) for _ in range(repeats))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, nargs="+", default=[16, 32, 64, 128, 256, 512])
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {options.batch}, {options.heads} heads")
    print(f"{'':8} {'width':>5} | " + " ".join(f"{count:>6}" for count in options.keys) + "  keys")
    for name, dtype in DTYPES.items():
        for width in options.widths:
            shape = (options.heads, options.batch, options.repeats)
            row = [f"{ratio(dtype, count, width, *shape):6.2f}" for count in options.keys]
            print(f"{name:8} {width:>5} | " + " ".join(row))


if __name__ == "__main__":
    main()
