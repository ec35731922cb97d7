"""The weights of a run: averaged where it kept an average, and what of them another model can take."""

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from darkroom.runs.checkpoint import load_checkpoint

_MODEL = "model."

Meanings = Mapping[str, Sequence[Hashable]]  # name of a weight: what each of its rows stands for


def trained_weights(checkpoint: Path, *, first_stage: str | None = None) -> dict[str, Tensor]:
    """The state of a stage's ``model``: the EMA's weights in place of those it averages, the rest as they were.

    ``first_stage``: hash of the artifact that is to decode; raises ValueError where they were trained on another's
    latents, which would give pictures of noise without a word.
    """
    held = load_checkpoint(checkpoint)
    known = held.get("first_stage_hash", first_stage)
    if first_stage is not None and known != first_stage:
        raise ValueError(
            f"{checkpoint}: was trained on the first stage {str(known)[:12]}, but the run's first_stage/ holds "
            f"{first_stage[:12]}; put the right one back"
        )
    state = {name.removeprefix(_MODEL): v for name, v in held["state_dict"].items() if name.startswith(_MODEL)}
    return state | held["callbacks"].get("EMA", {}).get("weights", {})


@dataclass
class Taken:
    """What a model took of another's weights; every tensor that it did not take whole stands under a reason."""

    whole: int = 0
    others: dict[str, list[str]] = field(default_factory=dict)  # reason: names

    def note(self, name: str, reason: str) -> None:
        """Remember why ``name`` was not taken whole."""
        self.others.setdefault(reason, []).append(name)

    def rows(self, name: str, taken: int, size: int) -> None:
        """Remember that ``taken`` of the rows of ``name`` were taken."""
        if taken == size:
            self.whole += 1
        else:
            self.note(f"{name} ({size - taken} of {size} rows)", "starts anew, it is not there")

    def lines(self) -> list[str]:
        """One line a reason; the same weight of several blocks is told once, with ``*`` for their numbers."""
        return [f"{reason}: {', '.join(_together(names))}" for reason, names in self.others.items()]


@torch.no_grad()
def take_weights(
    model: nn.Module, weights: Mapping[str, Tensor], *, here: Meanings | None = None, there: Meanings | None = None
) -> Taken:
    """Loads what fits by name and shape; of a weight whose rows have meanings, the rows that mean the same there.

    ``here`` and ``there`` are the meanings of rows in ``model`` and in ``weights``.
    """
    taken = Taken()
    state = model.state_dict()
    for name, value in state.items():
        by_row = here is not None and name in here
        if name not in weights:
            taken.note(name, "starts anew, it is not there")
        elif weights[name].shape[by_row:] != value.shape[by_row:]:
            taken.note(name, "starts anew, it has another shape there")
        elif here is not None and by_row:
            rows = _shared(here[name], (there or {}).get(name, ()))
            value[list(rows)] = weights[name][list(rows.values())].to(value)
            taken.rows(name, len(rows), len(value))
        else:
            value.copy_(weights[name])
            taken.whole += 1
    for name in weights:
        if name not in state:
            taken.note(name, "has no place here")
    return taken


def _shared(here: Sequence[Hashable], there: Sequence[Hashable]) -> dict[int, int]:
    """Row here to the row there that means the same."""
    places = {meaning: row for row, meaning in enumerate(there)}
    return {row: places[meaning] for row, meaning in enumerate(here) if meaning in places}


def _together(names: Sequence[str]) -> list[str]:
    counts: dict[str, int] = {}
    for name in sorted(names):
        pattern = re.sub(r"(?<=\.)\d+(?=\.)", "*", name)
        counts[pattern] = counts.get(pattern, 0) + 1
    return [pattern if "*" not in pattern else f"{pattern} ({count} x)" for pattern, count in counts.items()]
