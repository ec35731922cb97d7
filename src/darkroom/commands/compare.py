"""``evaluate.py compare=[a.json,b.json]``: two evaluations side by side, as far as their numbers may stand so."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from darkroom.commands.by_picture import beside, sds_of_differences
from darkroom.commands.console import console
from darkroom.commands.faults import report
from darkroom.metrics.protocol import differences

_Z = 1.96  # half of a 95 % interval in standard deviations


class Number(NamedTuple):
    """A value, the record that decides whether another may stand beside it, and what explains a difference."""

    value: float
    protocol: Mapping[str, Any]
    sd: float | None
    made: Mapping[str, Any]


def compare(paths: Sequence[str]) -> int:
    """Prints the numbers that both files have and that were made alike; the exit code, 2 where some were not.

    Raises ValueError for a file that holds no evaluation, or two that share no number.
    """
    first, second = (numbers(Path(path)) for path in paths)
    shared = [name for name in first if name in second]
    if not shared:
        raise ValueError(f"compare: {paths[0]} and {paths[1]} have no number in common")
    faults, alike = [], []
    for name in shared:
        found = list(differences(first[name].protocol, second[name].protocol))
        faults += [f"{name}: not to be compared, {'; '.join(found)}"] if found else []
        alike += [] if found else [name]
    if alike:
        paired = sds_of_differences(*(beside(Path(path)) for path in paths))
        console.print(_table(alike, first, second, paths, paired))
        made = dict.fromkeys(line for name in alike for line in differences(first[name].made, second[name].made))
        for line in made:
            console.print(f"made differently: {line}", soft_wrap=True)
    return report(faults) if faults else 0


def numbers(path: Path) -> dict[str, Number]:
    """The numbers of an evaluation.json, of a run or of two folders."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if "metrics" in found:
            return {name: _number(each, found["made"]) for name, each in found["metrics"].items()}
        return {name: _number(each, each.get("made", {})) for name, each in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        held = "evaluation.json of runs and the out= of folders, not what a sweep or a probe found"
        raise ValueError(
            f"compare: {path} is not an evaluation ({type(error).__name__}); what evaluate.py compares is {held}"
        ) from error


def _number(told: Mapping[str, Any], made: Mapping[str, Any]) -> Number:
    low, high = told.get("interval", (None, None))
    sd = told.get("sd") if low is None else (high - low) / (2 * _Z)
    value = math.nan if told["value"] is None else float(told["value"])
    return Number(value, told["protocol"], sd, made)


def _table(
    names: Sequence[str],
    first: Mapping[str, Number],
    second: Mapping[str, Number],
    paths: Sequence[str],
    paired: Mapping[str, float],
) -> Table:
    shown = Table("metric", *paths, "difference", "standard error", "taken as", box=None, title_justify="left")
    for name in names:
        a, b = first[name], second[name]
        sd = "", ""
        if name in paired:
            sd = f"{paired[name]:.2g}", "paired"
        elif a.sd is not None and b.sd is not None:
            sd = f"{(a.sd**2 + b.sd**2) ** 0.5:.2g}", "independent"
        shown.add_row(name, f"{a.value:.6g}", f"{b.value:.6g}", f"{b.value - a.value:+.3g}", *sd)
    return shown
