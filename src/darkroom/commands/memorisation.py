"""Whether a generator copies what it was trained on: ``evaluate.py generated=DIR training=DIR held_out=DIR``, and
``evaluate.py run=RUN memorisation=true``.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from omegaconf import DictConfig
from rich.table import Table
from torch import Tensor

from darkroom.commands.console import console
from darkroom.commands.folder_features import FolderFeatures, folder_features
from darkroom.commands.load import device
from darkroom.commands.real_features import RealFeatures
from darkroom.data.decode import decode
from darkroom.data.plain_folder import PlainFolder
from darkroom.data.transforms import square
from darkroom.files import write_json
from darkroom.generation.generator import Generator, select
from darkroom.generation.sample_set import conditions
from darkroom.keys import Keys
from darkroom.metrics.distances import Sets
from darkroom.metrics.memorisation import QUANTILE, Memorisation, Pair, memorisation, numbers
from darkroom.metrics.reference import kept_statistics
from darkroom.runs.pictures import save_grid
from darkroom.runs.summary import provenance

PAIRS = 16  # the closest ones, on the sheet and in the file
_COLUMNS = 8  # of the sheet
_SHOWN = 160  # pixels of a side there, of pictures whose own sizes may differ
_SETS = ("generated", "training", "held_out")


def measure_memorisation(config: DictConfig) -> dict[str, Any]:
    """Every number by its name, with its protocol; to the terminal, and with the closest pairs to ``out`` and to a
    picture of its name where it is given.

    Raises ValueError or OSError with one line for what only pictures and weights tell.
    """
    folders = {name: PlainFolder(Path(config[name])) for name in _SETS}
    prints = {name: folder.fingerprint for name, folder in folders.items()}
    with folder_features(config) as features_of:
        extractor = features_of.extractor
        real = {name: _kept(config, features_of, folders[name], prints[name], name) for name in _SETS[1:]}
        generated = torch.cat(list(features_of(folders["generated"], "generated")))
    found = memorisation(generated, **real)
    protocol = {"extractor": extractor.protocol, "training": prints["training"], "held_out": prints["held_out"]}
    result = numbers(found, protocol)
    console.print(table(result, f"{found.m} generated, {found.n} training and {found.k} held-out pictures"))
    if config.out is None:
        console.print("out=FILE.json keeps the numbers, and the closest pairs as a picture beside it")
    else:
        made = {"samples": prints["generated"], **provenance(device())}
        pairs = found.closest(PAIRS)
        names = [tuple(folders[name].names[getattr(pair, name)] for name in _SETS[:2]) for pair in pairs]
        _write(config, {name: {**number, "made": made} for name, number in result.items()}, pairs, names)
    warn_of_copies(found)
    return result


def of_copies(sets: Sets, real: RealFeatures, generator: Generator, sheet: Path) -> dict[str, Any]:
    """A run's samples held against its training pictures, on the scale of validation pictures.

    All real pictures go through the first stage, as samples come out of it: else its blur would be all that is seen.
    Mirrored ones too, where training saw them so. The closest pairs, drawn again, are written to ``sheet``. What
    nothing can be told of gives a warning and no number.
    """
    source, samples, first_stage = real.source, real.samples, generator.first_stage
    training, validation = source.split("train"), source.split("validation")
    places = samples.reference(training)
    try:
        known = real.memory(first_stage, mirrored=True)
        found = memorisation(sets.generated, known, real.held_out(first_stage))
    except ValueError as error:  # the evaluation's other numbers are not to be lost for it
        _warn(str(error))
        return {}
    own = {"data": source.fingerprint, "split": "validation", "pictures": len(validation)}
    facts = samples.facts(source) | ({"mirrored": "too"} if len(known) > len(places) else {})
    how = {"through": first_stage.spec.hash, **conditions(training)}
    protocol = {"extractor": sets.extractor.protocol, "training": facts, "held_out": own, **how}
    pairs = found.closest(PAIRS)
    rows = np.array([pair.generated for pair in pairs])
    start = Keys(samples.keys().words[rows])
    again = generator(select(samples.prompts(training), rows), start, batch_size=real.batch_size)
    drawn = torch.cat([pictures.cpu() for pictures in again])
    theirs = torch.cat(
        [
            training.oriented([places[pair.training % len(places)]], mirrored=pair.training >= len(places))
            for pair in pairs
        ]
    )
    save_pairs(sheet, _enlarged(drawn), _enlarged(theirs), pairs)
    console.print(f"the closest pairs: {sheet}", soft_wrap=True)
    if len(places) < len(training):
        few = f"{len(places)} of {len(training)} training pictures"
        _warn(f"copies are looked for among {few}; n_reference= says how many")
    result = numbers(found, protocol)
    console.print(table(result, "samples beside training pictures, on the scale of validation pictures"))
    warn_of_copies(found)
    return result


def _enlarged(pictures: UInt8[Tensor, "n 3 H W"]) -> UInt8[Tensor, "n 3 h w"]:
    """By a whole factor, to what the sheet shows at least half of."""
    factor = max(1, _SHOWN // pictures.shape[-1])
    return pictures.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)


def save_pairs(
    path: Path, generated: UInt8[Tensor, "n 3 H W"], training: UInt8[Tensor, "n 3 H W"], pairs: Sequence[Pair]
) -> None:
    """A PNG of each generated picture above its nearest training picture, over their distance, closest first."""
    line = torch.full_like(generated[:, :, : max(1, generated.shape[2] // 32)], 255)
    captions = [_caption(pair) for pair in pairs]
    save_grid(path, torch.cat([generated, line, training], dim=2), captions, columns=_COLUMNS)


def table(result: Mapping[str, Any], title: str) -> Table:
    """For the terminal: each number beside what it is of a generator that copies no more than chance."""
    share, closest = result["memorisation_share"], result["memorisation_closest"]
    low, high = share["interval"]
    shown = Table("metric", "value", "no copying", "", title=title, box=None, title_justify="left")
    shown.add_row(
        "memorisation_share",
        f"{share['value']:.4f} ({low:.4f} to {high:.4f})",
        f"{QUANTILE:.2f} +- {share['expected_sd']:.2f}",
        f"of generated, nearer to training than {1 - QUANTILE:.0%} of held-out",
    )
    shown.add_row(
        "memorisation_closest",
        f"{closest['value']:.4f} ({closest['count']} pictures)",
        f"{closest['expected']:.4f}",
        "of generated, nearer to training than all held-out",
    )
    shown.add_row("memorisation_ratio", f"{result['memorisation_ratio']['value']:.4f}", "1", "of median distances")
    shown.add_row(
        "memorisation_z", f"{result['memorisation_z']['value']:.2f}", "-3 to 3", "of ranks; below, nearer than held-out"
    )
    return shown


def warn_of_copies(found: Memorisation) -> None:
    """What a reader must not overlook: copying, and held-out pictures that hide it."""
    if same := int((found.held_out.distance == 0).sum()):
        _warn(f"held_out: {same} of {found.k} pictures are training pictures too, which hides copies")
    if found.copies:
        near = (
            f"{found.near} of {found.m} generated pictures are nearer to training than {1 - QUANTILE:.0%} of held-out"
        )
        _warn(f"copies: {near}, {found.nearest_of_all} nearer than all; look at the closest pairs")


def _kept(
    config: DictConfig, features_of: FolderFeatures, folder: PlainFolder, fingerprint: str, name: str
) -> Float[Tensor, "n d"]:
    """The features of real pictures, kept where those of ``reference`` are and as they are."""
    protocol = {"extractor": features_of.extractor.protocol, "reference": fingerprint}
    kept = kept_statistics(Path(config.cache), protocol, lambda: features_of(folder, name))
    assert kept.features is not None  # of a file that was written with them
    return kept.features


def _write(config: DictConfig, result: dict[str, Any], pairs: Sequence[Pair], names: Sequence[tuple[str, ...]]) -> None:
    """The numbers with the closest pairs by their files' ``names``, and these pairs as a picture."""
    out = Path(config.out)
    sheet = out.with_suffix(".png")
    result["memorisation_closest"]["pairs"] = [
        {**pair._asdict(), "generated": generated, "training": training}
        for pair, (generated, training) in zip(pairs, names, strict=True)
    ]
    write_json(out, result)
    generated = _shown(Path(config.generated), [each[0] for each in names])
    training = _shown(Path(config.training), [each[1] for each in names])
    save_pairs(sheet, generated, training, pairs)
    console.print(f"written to {out}, the closest pairs to {sheet}", soft_wrap=True)


def _shown(root: Path, names: Sequence[str]) -> UInt8[Tensor, "n 3 s s"]:
    return torch.stack([square(decode(root / name), _SHOWN) for name in names])


def _caption(pair: Pair) -> str:
    whom = "any" if pair.beaten == 1 else f"{math.floor(100 * pair.beaten)} % of"
    return f"{pair.distance:.4g}, nearer than {whom} held-out"


def _warn(words: str) -> None:
    console.print(f"warning: {words}", style="yellow", soft_wrap=True)
