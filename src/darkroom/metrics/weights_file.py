"""Files of pretrained weights: read without running code, and refused in one line where they are of another network."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from darkroom.files import digest


def fill(network: nn.Module, path: Path, *, key: str) -> str:
    """Loads what ``network`` has a place for, and answers the file's sha256.

    Args:
        path: safetensors or a state dict, whose names are the network's; what the network has no name for (a classifier
            beside a trunk) is left out.
        key: of the config, that an error names.

    Raises FileNotFoundError where there is no such file, and ValueError where it is no file of weights or one of
    another network.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{key}={path}: there is no such file; fetch it, and give the path to it")
    take(network, _read(path, key), f"{key}={path}")
    return digest(path)


def take(network: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Loads what ``network`` has a place for; raises ValueError, beginning with ``origin``, for another network's."""
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    wrong = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    if missing or wrong:
        what = f"has no {missing[0]}" if missing else f"has another shape of {wrong[0]}"
        raise ValueError(f"{origin}: {what}, so it is of another network")
    network.load_state_dict(
        {name: state[name].to(wanted[name].dtype) for name in wanted if name in state}, strict=False
    )


def _read(path: Path, key: str) -> dict[str, Tensor]:
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # safetensors' and pickle's readers have errors of their own
        raise ValueError(f"{key}={path}: cannot be read ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(state, Mapping):
        raise ValueError(f"{key}={path}: holds a {type(state).__name__} and no state dict of names and weights")
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}
