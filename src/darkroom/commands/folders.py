"""``evaluate.py generated=DIR reference=DIR_OR_NPZ``: how far the pictures of one folder are from others."""

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from omegaconf import DictConfig
from rich.table import Table
from torch import Tensor

from darkroom.build import build
from darkroom.commands.console import console, progress
from darkroom.commands.load import device
from darkroom.data.plain_folder import PlainFolder
from darkroom.files import write_text
from darkroom.metrics.distances import FAMILIES, FEW, Sets, refuse_impossible
from darkroom.metrics.extractor import MICRO_BATCH, FeatureExtractor
from darkroom.metrics.protocol import differences
from darkroom.metrics.reference import kept_statistics
from darkroom.metrics.statistics_file import Statistics, read_statistics, write_statistics
from darkroom.runs.summary import provenance

_FAMILIES = ("fd", "kid", "precision_recall", "density_coverage")  # unless others are asked for
_BATCH = 8 * MICRO_BATCH  # pictures in memory at once


def measure_folders(config: DictConfig) -> dict[str, Any]:
    """Every number by its name, with its protocol; to the terminal, and to ``out`` where it is given.

    Without ``generated`` the reference's statistics are kept, and nothing is measured. Raises ValueError or OSError
    with one line for what only pictures and weights tell.
    """
    extractor: FeatureExtractor = build(config.extractor).to(device())
    families = _FAMILIES if config.metrics is None else config.metrics
    refuse_impossible(families, extractor)
    reference, facts = reference_of(config, extractor)
    protocol = {"extractor": extractor.protocol, "reference": facts}
    if config.statistics_out is not None:
        write_statistics(Path(config.statistics_out), Statistics(reference.moments, protocol, reference.features))
        console.print(f"statistics of the reference: {config.statistics_out}", soft_wrap=True)
    if config.generated is None:
        return {}
    folder = PlainFolder(Path(config.generated), extractor.prepare)
    sets = Sets(features_of(extractor, folder, "generated"), reference, protocol, config.kid_size, extractor)
    warn_of_few({"generated": len(folder), "the reference": reference.moments.n})
    found: dict[str, Any] = {}
    for family in families:
        found |= FAMILIES[family](sets)
    console.print(table(found, f"{len(folder)} pictures against {reference.moments.n or 'a file'}"))
    if config.out is not None:
        made = {"samples": folder.fingerprint, **provenance(device())}
        result = {name: {**number, "made": made} for name, number in found.items()}
        write_text(Path(config.out), json.dumps(result, indent=2) + "\n")
        console.print(f"written to {config.out}", soft_wrap=True)
    return found


def reference_of(config: DictConfig, extractor: FeatureExtractor) -> tuple[Statistics, Any]:
    """The reference's statistics, and what says in a protocol which pictures they are of.

    Of a folder they are kept in ``cache``, by what its pictures and the extractor are. Raises ValueError for a file
    that was made by another extractor.
    """
    path = Path(config.reference)
    if path.suffix == ".npz":
        return _of_file(path, extractor)
    folder = PlainFolder(path, extractor.prepare)
    facts = folder.fingerprint
    protocol = {"extractor": extractor.protocol, "reference": facts}
    features = partial(features_of, extractor, folder, "reference")
    return kept_statistics(Path(config.cache), protocol, features), facts


def _of_file(path: Path, extractor: FeatureExtractor) -> tuple[Statistics, Any]:
    statistics = read_statistics(path)
    if statistics.protocol is None:  # of another program: the user says that it is of this extractor
        with path.open("rb") as file:
            return statistics, {"declared": hashlib.file_digest(file, "sha256").hexdigest()}
    if found := list(differences(statistics.protocol["extractor"], extractor.protocol)):
        raise ValueError(f"reference={path}: was made by another extractor: {'; '.join(found)}")
    return statistics, statistics.protocol["reference"]


def features_of(extractor: FeatureExtractor, folder: PlainFolder, name: str) -> Float[Tensor, "n d"]:
    """Float32 features of all pictures of a folder, in the order of their names."""
    batches = progress(folder.batches(_BATCH), len(folder), _BATCH, f"{name}: features")
    return torch.cat([extractor(pictures) for pictures in batches])


def warn_of_few(sizes: Mapping[str, int | None]) -> None:
    """A distance of few pictures is large, whatever they show."""
    few = [f"{name} has {size}" for name, size in sizes.items() if size is not None and size < FEW]
    if few:
        words = f"warning: {' and '.join(few)} pictures, and under {FEW} a distance tells their number as well"
        console.print(words, style="yellow", soft_wrap=True)


def error(number: Mapping[str, Any]) -> str:
    """A number's own uncertainty in words, where it has one, and what real pictures reach."""
    words = [f"standard deviation {number['sd']:.2g}"] if "sd" in number else []
    words += ["{:.4g} to {:.4g}".format(*number["interval"])] if "interval" in number else []
    return ", ".join([*words, *([f"real pictures {number['real']:.4g}"] if "real" in number else [])])


def table(found: Mapping[str, Any], title: str) -> Table:
    """For the terminal."""
    shown = Table("metric", "value", "", title=title, box=None, title_justify="left")
    for name, number in found.items():
        shown.add_row(name, f"{number['value']:.6g}", error(number))
    return shown
