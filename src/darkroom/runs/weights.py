"""The weights of a run: averaged where it kept an average."""

from pathlib import Path

import torch
from torch import Tensor, nn

from darkroom.runs.checkpoint import AtomicCheckpointIO

_MODEL = "model."


def trained_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The state of a stage's ``model``: the EMA's weights in place of those it averages, the rest as they were."""
    held = AtomicCheckpointIO().load_checkpoint(checkpoint)
    state = {name.removeprefix(_MODEL): v for name, v in held["state_dict"].items() if name.startswith(_MODEL)}
    return state | held["callbacks"].get("EMA", {}).get("weights", {})


def take_weights(model: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Loads what fits by name and shape, and answers the names of ``model`` that were left as they were, and why."""
    state = model.state_dict()
    fits = {name for name, value in state.items() if name in weights and weights[name].shape == value.shape}
    with torch.no_grad():
        for name in fits:
            state[name].copy_(weights[name])
    return [
        f"{name}: {'has another shape there' if name in weights else 'is not there'}" for name in state.keys() - fits
    ]
