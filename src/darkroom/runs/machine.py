"""What the machine can do: the rate of its matrix products, measured once and remembered, and its memory in use."""

import json
import os
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from darkroom.files import write_text
from darkroom.keys import keys
from darkroom.runs.summary import processor

_SIDES = {"cpu": 1024, "cuda": 8192}  # large enough that the product itself is the time
_SECONDS = 0.5


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large square matrix product, the best of half a second; measured once a machine and setting.

    Remembered in ``~/.cache/darkroom`` (``XDG_CACHE_HOME`` is heeded) by device, number of threads, type, torch's
    precision of float32 products and torch's version: delete the file to measure again.
    """
    store = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "darkroom" / "matmul_rates.json"
    known = _remembered(store)
    key = _setting(device, dtype)
    if key not in known:
        known[key] = _measure(device, dtype)
        with suppress(OSError):  # where nothing can be kept, each run measures
            write_text(store, json.dumps(known, indent=2, sort_keys=True) + "\n")
    return known[key]


def _remembered(store: Path) -> dict[str, float]:
    """What earlier runs measured; nothing where the file is damaged or may not be read."""
    try:
        return json.loads(store.read_text())
    except (OSError, ValueError):
        return {}


def multiplies_bf16(device: torch.device) -> bool:
    """Whether ``device`` has units for products of bf16 matrices.

    Elsewhere they are emulated: on a processor with AVX2 alone, such a product took seventy times float32's time.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return any(found.get(each, False) for each in ("amx_bf16", "avx512_bf16", "bf16"))  # the last is ARM's


def compute_dtype(precision: str) -> torch.dtype:
    """The type of the matrix products under Lightning's ``precision``, ``bf16-mixed`` or ``32-true``."""
    return torch.bfloat16 if precision == "bf16-mixed" else torch.float32


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that tensors took on a GPU, or the most that the process took on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _setting(device: torch.device, dtype: torch.dtype) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    parts = [name, f"{torch.get_num_threads()} threads" if device.type == "cpu" else "", str(dtype)]
    return " | ".join([*filter(None, parts), torch.get_float32_matmul_precision(), f"torch {torch.__version__}"])


@torch.no_grad()
def _measure(device: torch.device, dtype: torch.dtype) -> float:
    side = _SIDES.get(device.type, 4096)
    a, b = (keys(seed=0, purpose=p, places=range(side)).to(device).normal((side,)).to(dtype) for p in "ab")
    out = a @ b  # warms up
    best, end = float("inf"), time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        best = min(best, _time_once(a, b, out))
    return 2 * side**3 / best


def _time_once(a: Tensor, b: Tensor, out: Tensor) -> float:
    _wait(a.device)
    start = time.perf_counter()
    torch.matmul(a, b, out=out)
    _wait(a.device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
