"""Tensors in files, and whether weights that are read are those of the network that they are to be loaded into."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

_SHOWN = 4  # differences that a message names


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """A safetensors file with the rights of any other new file: safetensors 0.8 gives them to its owner alone."""
    path.touch()
    rights = path.stat().st_mode
    save_file(dict(tensors), path)
    path.chmod(rights)


def differences(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What keeps ``found`` from being loaded strictly, in one line; empty where nothing does."""
    faults = [f"{name} is missing" for name in expected.keys() - found.keys()]
    faults += [f"{name} is not known" for name in found.keys() - expected.keys()]
    faults += [
        f"{name} has shape {tuple(found[name].shape)}, not {tuple(expected[name].shape)}"
        for name in expected.keys() & found.keys()
        if expected[name].shape != found[name].shape
    ]
    shown = ", ".join(sorted(faults)[:_SHOWN])
    return f"{shown} and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else shown
