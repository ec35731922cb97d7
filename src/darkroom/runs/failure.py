"""A batch that broke a training, written down so that it can be looked at again: tensors and plain values, no code."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from darkroom.contracts import Batch, LatentBatch, Posterior, Prompts
from darkroom.files import replacing

_KINDS = {kind.__name__: kind for kind in (Batch, LatentBatch, Posterior, Prompts)}


@dataclass(frozen=True)
class Failure:
    """What a stage with these weights needs to meet the same losses: all else is a function of seed, step and place."""

    step: int
    batches: tuple[Any, ...]  # the micro-batches of one process
    weights: dict[str, Tensor]  # the stage's state_dict


def save_failure(path: Path, failure: Failure) -> None:
    """Write ``path``, whole or not at all."""
    held = {"step": failure.step, "batches": [_plain(batch) for batch in failure.batches], "weights": failure.weights}
    with replacing(path) as draft:
        torch.save(held, draft)


def load_failure(path: Path) -> Failure:
    """What :func:`save_failure` wrote; on the CPU. Runs no code of the file."""
    held = torch.load(path, map_location="cpu", weights_only=True)
    return Failure(held["step"], tuple(_whole(batch) for batch in held["batches"]), held["weights"])


def positions(batches: Sequence[Any]) -> tuple[list[int], list[int]]:
    """Indices of the pictures in their split, and their places in the step's global batch."""
    indices = [index for batch in batches for index in batch.index.tolist()]
    return indices, [place for batch in batches for place in batch.place.tolist()]


def _plain(part: Any) -> Any:
    """A dataclass of :mod:`darkroom.contracts` as a mapping with its name."""
    if is_dataclass(part):
        return {"kind": type(part).__name__} | {field.name: _plain(getattr(part, field.name)) for field in fields(part)}
    return part


def _whole(part: Any) -> Any:
    """The inverse of :func:`_plain`."""
    if isinstance(part, dict):
        return _KINDS[part["kind"]](**{name: _whole(value) for name, value in part.items() if name != "kind"})
    return part
