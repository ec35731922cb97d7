"""summary.json: what a run reached and what it cost, flat, so that a table over many runs is one line of code."""

import json
import math
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from darkroom.files import write_text
from darkroom.runs.folder import Run

_TOLD = ("darkroom", "torch", "torchvision", "lightning", "hydra-core", "numpy", "pillow", "open_clip_torch", "timm")


def update_summary(run: Run, facts: Mapping[str, Any]) -> None:
    """Merge ``facts`` into summary.json; what was known before stays. Tensors become numbers, nan and inf null."""
    merged = {**run.summary, **{key: _plain(value) for key, value in facts.items()}}
    write_text(run.summary_file, json.dumps(merged, indent=2, sort_keys=True) + "\n")


def parameter_counts(module: nn.Module) -> dict[str, int]:
    """Parameters of the whole and of each direct part that has any, and how many of them learn."""
    counts = {"parameters": _count(module), "parameters_trained": _count(module, trained=True)}
    for name, part in module.named_children():
        if _count(part):
            counts[f"parameters/{name}"] = _count(part)
    return counts


def provenance(device: torch.device) -> dict[str, Any]:
    """Which code ran on which machine: git commit (``-dirty`` with uncommitted changes), versions, device."""
    return {
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        **{f"version/{name}": version(name) for name in _TOLD},
        **({"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()} if device.type == "cuda" else {}),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "threads": torch.get_num_threads(),
    }


def processor() -> str:
    """The processor's name; its architecture where the system does not tell."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git_commit() -> str | None:
    """Of the source tree that runs; None for an installed package."""
    here = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):  # no git here, or a disk too slow to wait for
        return None
    return answer.stdout.strip() or None


def _count(module: nn.Module, trained: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained)


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
