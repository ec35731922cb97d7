"""``evaluate.py generated=DIR reference=DIR``: how far the pictures of one folder are from those of another."""

import json
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from rich.table import Table

from darkroom.build import build
from darkroom.commands.console import console, progress
from darkroom.commands.load import device
from darkroom.data.plain_folder import PlainFolder
from darkroom.files import write_text
from darkroom.metrics.distances import FAMILIES, FEW, Sets
from darkroom.metrics.extractor import MICRO_BATCH, Extractor
from darkroom.runs.summary import provenance

_BATCH = 8 * MICRO_BATCH  # pictures in memory at once


def measure_folders(config: DictConfig) -> dict[str, Any]:
    """Every number by its name, with its protocol; to the terminal, and to ``out`` where it is given.

    Raises ValueError or OSError with one line for what only pictures and weights tell.
    """
    extractor: Extractor = build(config.extractor).to(device())
    folders = {name: PlainFolder(Path(config[name]), extractor.size) for name in ("generated", "reference")}
    warn_of_few(folders)
    features = {name: features_of(extractor, folder, name) for name, folder in folders.items()}
    protocol = {"extractor": extractor.protocol, "reference": folders["reference"].fingerprint}
    sets = Sets(**features, protocol=protocol, kid_size=config.kid_size)
    found: dict[str, Any] = {}
    for family in config.metrics:
        found |= FAMILIES[family](sets)
    console.print(table(found, folders))
    if config.out is not None:
        made = {"samples": folders["generated"].fingerprint, **provenance(device())}
        result = {name: {**number, "made": made} for name, number in found.items()}
        write_text(Path(config.out), json.dumps(result, indent=2) + "\n")
        console.print(f"written to {config.out}", soft_wrap=True, markup=False)
    return found


def features_of(extractor: Extractor, folder: PlainFolder, name: str) -> torch.Tensor:
    """Float32 features [n, d] of all pictures of a folder, in the order of their names."""
    batches = progress(folder.batches(_BATCH), len(folder), _BATCH, f"{name}: features")
    return torch.cat([extractor(pictures) for pictures in batches])


def warn_of_few(folders: dict[str, PlainFolder]) -> None:
    """A distance of few pictures is large, whatever they show."""
    few = [f"{name} has {len(folder)}" for name, folder in folders.items() if len(folder) < FEW]
    if few:
        words = f"warning: {' and '.join(few)} pictures, and under {FEW} a distance tells their number as well"
        console.print(words, style="yellow", markup=False, soft_wrap=True)


def table(found: dict[str, Any], folders: dict[str, PlainFolder]) -> Table:
    """For the terminal."""
    title = f"{len(folders['generated'])} pictures against {len(folders['reference'])}"
    shown = Table("metric", "value", title=title, box=None, title_justify="left")
    for name, number in found.items():
        shown.add_row(name, f"{number['value']:.6g}")
    return shown
