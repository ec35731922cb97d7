"""``evaluate.py generated=DIR reference=DIR_OR_NPZ``: how far the pictures of one folder are from others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from jaxtyping import Float
from omegaconf import DictConfig
from rich.table import Table
from torch import Tensor

from darkroom.commands.console import console
from darkroom.commands.folder_features import FolderFeatures, folder_features
from darkroom.commands.load import device
from darkroom.data.plain_folder import PlainFolder
from darkroom.files import digest, write_json
from darkroom.metrics.collecting import collected, spacing
from darkroom.metrics.distances import FAMILIES, FEW, LEAST, Sets, frechet, refuse_impossible
from darkroom.metrics.extractor import FeatureExtractor
from darkroom.metrics.moments import Moments
from darkroom.metrics.protocol import differences
from darkroom.metrics.reference import kept_statistics
from darkroom.metrics.statistics_file import Statistics, read_statistics, write_statistics
from darkroom.runs.summary import provenance

_FAMILIES = ("fd", "kid", "precision_recall", "density_coverage")  # unless others are asked for
_OF_MOMENTS = ("fd", "inception_score")  # which ask no features of the reference
_SAME = 1e-18  # of the squared length of their mean: a variance that is rounding


def measure_folders(config: DictConfig) -> dict[str, Any]:
    """Every number by its name, with its protocol; to the terminal, and to ``out`` where it is given.

    Without ``generated`` the reference's statistics are kept, and nothing is measured. Raises ValueError or OSError
    with one line for what only pictures and weights tell.
    """
    families = _FAMILIES if config.metrics is None else config.metrics
    folder = None if config.generated is None else PlainFolder(Path(config.generated))
    if folder is not None:
        refuse_few(f"generated={folder.root}", len(folder), families, config.kid_size)
    sums = set(families) == {"fd"}
    with folder_features(config) as features_of:
        extractor = features_of.extractor
        refuse_impossible(families, extractor)
        reference, facts = reference_of(config, features_of, sums=sums)
        others = [each for each in families if each not in _OF_MOMENTS]
        if folder is not None and others and reference.features is None:
            held = f"reference={config.reference}: holds mean and covariance alone"
            raise ValueError(f"{held}, which give no {others[0]}; give metrics=[fd]")
        protocol = {"extractor": extractor.protocol, "reference": facts}
        if config.statistics_out is not None:
            write_statistics(Path(config.statistics_out), replace(reference, protocol=protocol))
            console.print(f"statistics of the reference: {config.statistics_out}", soft_wrap=True)
        if folder is None:
            return {}
        against = partial(Sets, reference=reference, protocol=protocol, kid_size=config.kid_size, extractor=extractor)
        sets = _sets(against, features_of, folder, every=spacing(len(folder)) if sums else 1)
        spatial = _spatial(sets, features_of.spatial, folder) if "fd" in families else None
    assert sets.own is not None  # the moments of all
    warn_of_few({"generated": len(folder), "the reference": reference.moments.n})
    warn_of_same({"generated": sets.own, "the reference": reference.moments})
    found: dict[str, Any] = {}
    for family in families:
        found |= FAMILIES[family](sets)
    if spatial is not None:
        found |= frechet(spatial)
    console.print(table(found, f"{len(folder)} pictures against {reference.moments.n or 'a file'}"))
    if config.out is not None:
        made = {"samples": folder.fingerprint, **provenance(device())}
        result = {name: {**number, "made": made} for name, number in found.items()}
        write_json(Path(config.out), result)
        console.print(f"written to {config.out}", soft_wrap=True)
    return found


def _spatial(sets: Sets, features_of: FolderFeatures | None, folder: PlainFolder) -> Sets | None:
    """The same pictures for sFID, where extractor and reference have what it is made of."""
    if features_of is None or sets.reference.spatial is None:
        return None
    reference = Statistics(sets.reference.spatial, None, None)
    protocol = {**sets.protocol, "extractor": features_of.extractor.protocol}
    against = partial(replace, sets, reference=reference, protocol=protocol, extractor=features_of.extractor)
    return _sets(against, features_of, folder, every=spacing(len(folder)))


def _sets(against: Callable[..., Sets], features_of: FolderFeatures, folder: PlainFolder, *, every: int) -> Sets:
    """What ``against`` makes of the folder's features: of the moments of all, and of every ``every``-th row.

    Raises ValueError where the reference is of another width, which the first batch of features tells.
    """

    def fitting() -> Iterator[Float[Tensor, "_ d"]]:
        for batch in features_of(folder, "generated"):
            against(generated=batch)
            yield batch

    rows = collected(fitting(), every=every)
    return against(generated=rows.rows, own=rows.moments)


def reference_of(config: DictConfig, features_of: FolderFeatures, *, sums: bool) -> tuple[Statistics, Any]:
    """The reference's statistics, and what says in a protocol which pictures they are of.

    Of a folder they are kept in ``cache``, by what its pictures and the extractor are; of a large one without the
    features where ``sums`` are enough, and with the moments of spatial ones where a file is written, which other
    programs want to hold them. Raises ValueError for a file that was made by another extractor.
    """
    path = Path(config.reference)
    if path.suffix == ".npz":
        return _of_file(path, features_of.extractor)
    folder = PlainFolder(path)
    families = _FAMILIES if config.metrics is None else config.metrics
    of_both = ["fd", *(each for each in families if each != "inception_score")]
    refuse_few(f"reference={folder.root}", len(folder), of_both, config.kid_size)
    held = not (sums and spacing(len(folder)) > 1)
    facts = folder.fingerprint

    def kept(by: FolderFeatures, *, held: bool) -> Statistics:
        protocol = {"extractor": by.extractor.protocol, "reference": facts}
        return kept_statistics(Path(config.cache), protocol, partial(by, folder, "reference"), features=held)

    statistics = kept(features_of, held=held)
    if config.statistics_out is not None and (beside := features_of.spatial) is not None:
        statistics = replace(statistics, spatial=kept(beside, held=False).moments)
    return statistics, facts


def _of_file(path: Path, extractor: FeatureExtractor) -> tuple[Statistics, Any]:
    statistics = read_statistics(path)
    if statistics.protocol is None:  # of another program: the user says that it is of this extractor
        return statistics, {"declared": digest(path)}
    made_by = statistics.protocol.get("extractor")
    if statistics.protocol.keys() != {"extractor", "reference"} or not isinstance(made_by, Mapping):
        raise ValueError(f"reference={path}: is not of pictures as they are; give a file that statistics_out= wrote")
    if found := list(differences(made_by, extractor.protocol)):
        raise ValueError(f"reference={path}: was made by another extractor: {'; '.join(found)}")
    return statistics, statistics.protocol["reference"]


def refuse_few(where: str, there: int, families: Sequence[str], kid_size: int | None) -> None:
    """Raises ValueError, before any features are computed, for a family that wants more pictures than are ``there``."""
    say = f"{where}: {there} picture{' is' if there == 1 else 's are'} too few for"
    for family in families:
        if there < LEAST[family]:
            raise ValueError(f"{say} {family}; give at least {LEAST[family]}, or other metrics")
    if "kid" in families and kid_size is not None and there < kid_size:
        raise ValueError(f"{say} kid_size={kid_size}; give more, or set it lower")


def warn_of_few(sizes: Mapping[str, int | None]) -> None:
    """A distance of few pictures is large, whatever they show."""
    few = [f"{name} has {size}" for name, size in sizes.items() if size is not None and size < FEW]
    if few:
        words = f"warning: {' and '.join(few)} pictures, and under {FEW} a distance tells their number as well"
        console.print(words, style="yellow", soft_wrap=True)


def warn_of_same(sets: Mapping[str, Moments]) -> None:
    """Numbers of one picture, however often it is there, are right and say little."""
    for name, each in sets.items():
        if each.covariance.trace() <= _SAME * each.mean.square().sum():
            words = f"warning: all pictures of {name} have the same features, as if they were one"
            console.print(words, style="yellow", soft_wrap=True)


def error(number: Mapping[str, Any]) -> str:
    """A number's own uncertainty in words, where it has one, and what real pictures and chance would reach."""
    words = [f"standard error {number['sd']:.2g}"] if "sd" in number else []
    words += ["{:.4g} to {:.4g}".format(*number["interval"])] if "interval" in number else []
    words += [f"real pictures {number['real']:.4g}"] if "real" in number else []
    return ", ".join([*words, *([f"chance {number['chance']:.4g}"] if "chance" in number else [])])


def table(found: Mapping[str, Any], title: str) -> Table:
    """For the terminal."""
    shown = Table("metric", "value", "", title=title, box=None, title_justify="left")
    for name, number in found.items():
        shown.add_row(name, f"{number['value']:.6g}", error(number))
    return shown
