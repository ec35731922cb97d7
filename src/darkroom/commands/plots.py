"""Curves of a sweep: each metric against guidance, the average's width, and what a sample costs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from darkroom.files import replacing

_AXES = {
    "guidance_scale": "guidance scale",
    "ema": "width of the average",
    "network_evaluations": "network evaluations a sample",
}
_SETTINGS = {  # what tells the lines of a plot apart
    "guidance_scale": ("sampler", "steps", "ema"),
    "ema": ("sampler", "steps", "guidance_scale"),
    "network_evaluations": ("sampler", "guidance_scale", "ema"),
}


def save_plots(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row of plots a metric; a line for each setting of what is not on the axis.

    Raises ValueError with one line where matplotlib is not installed.
    """
    figure_of = _matplotlib()
    axes = [name for name in _AXES if len({row.get(name) for row in rows}) > 1] or ["network_evaluations"]
    metrics = [name for name in rows[0] if name not in {"sampler", "steps", *_AXES}]
    figure = figure_of(figsize=(4.5 * len(axes), 3.5 * len(metrics)), layout="constrained")
    grid = figure.subplots(len(metrics), len(axes), squeeze=False)
    for metric, line in zip(metrics, grid, strict=True):
        for axis, plot in zip(axes, line, strict=True):
            for label, points in curves(rows, axis, metric).items():
                plot.plot(*zip(*points, strict=True), marker="o", label=label)
            plot.set_xlabel(_AXES[axis])
            plot.set_ylabel(metric)
            if any(curves(rows, axis, metric)):
                plot.legend()
    with replacing(path) as draft, draft.open("wb") as file:
        figure.savefig(file, format="png", dpi=100)


def curves(rows: Sequence[Mapping[str, Any]], axis: str, metric: str) -> dict[str, list[tuple[float, float]]]:
    """Points by the setting that they share, from left to right."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        label = ", ".join(f"{name} {row[name]}" for name in _SETTINGS[axis] if name in row)
        found.setdefault(label, []).append((row[axis], row[metric]))
    return {label: sorted(points) for label, points in found.items()}


def _matplotlib() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError("sweep: plots want matplotlib; install it with pip install 'darkroom[plots]'") from error
    return Figure
