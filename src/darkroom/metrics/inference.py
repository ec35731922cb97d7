"""How a frozen network is asked, so that the numbers of a picture depend on that picture alone (evaluation.md 2)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def micro_batches(rows: Tensor, size: int) -> Iterator[tuple[Tensor, int]]:
    """Batches of ``size`` rows, the last filled up with what it has, and how many rows of each count.

    Of one size always, since float32 products round differently by batch.
    """
    for part in rows.split(size):
        yield part[torch.arange(size) % len(part)], len(part)


@contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """No gradients, no autocast of a training around it, no TF32 and no choice of algorithms by their speed."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.inference_mode(),
            torch.autocast(device.type, enabled=False),
            torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
