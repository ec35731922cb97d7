"""Faults of ``evaluate.py`` where it is given folders or files in place of a run. Standard library."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeGuard

from omegaconf import DictConfig, OmegaConf

from darkroom.commands.checking.compose import Composition
from darkroom.commands.checking.paths import exists, is_folder
from darkroom.commands.checking.spelling import meant
from darkroom.commands.checking.swept import swept

# the pictures that each wants of both sets, as darkroom.metrics.distances has them
LEAST = {"fd": 2, "kid": 2, "precision_recall": 4, "density_coverage": 6, "inception_score": 10, "cmmd": 2}
FAMILIES = tuple(LEAST)
_MODES = {  # what evaluate.py is asked for, and the keys of each, of which no other goes with them
    "run=logs/STAGE/RUN": ("run",),
    "generated=DIR reference=DIR": ("generated", "reference"),
    "generated=DIR training=DIR held_out=DIR": ("generated", "training", "held_out"),
    "compare=[A,B]": ("compare",),
    "probe=[A,B]": ("probe",),
}
_OF_SAMPLES = (  # keys by which a run's samples are drawn and chosen
    *("n", "n_reference", "seed", "sampler", "steps", "guidance", "guidance_scale", "ema", "checkpoint", "batch_size"),
)
_WITH_COMPARE = ("compare", "packages", "statistics_out", "devices")  # of the last two another line tells
_ANY = f"{', '.join(list(_MODES)[:-1])} or {list(_MODES)[-1]}"
_TOWER = "darkroom.conditioning.pretrained_text.PretrainedText"


def distance_faults(composition: Composition) -> Iterator[str]:
    """A line each: of things that do not go together, of folders and files, and of the sizes of a run's sets."""
    config = composition.config
    given = [key for key in dict.fromkeys(chain(*_MODES.values())) if config.get(key) not in (None, [])]
    if not any(set(given) <= set(keys) for keys in _MODES.values()):
        yield f"{', '.join(given)}: do not go together; give {_ANY}"
        return
    if set(given) - {"generated"} and config.get("reference") is None and config.get("statistics_out") is not None:
        yield f"statistics_out={config.statistics_out}: is of the pictures of reference=DIR; leave it out"
    if "compare" in given:
        yield from _compared(composition)
    elif "training" in given or "held_out" in given:
        yield from _copied(composition)
    elif "probe" not in given:  # darkroom.commands.checking.probe
        yield from _families(config)
        if not given:
            yield f"run is not set; give {_ANY}"
        elif "run" in given:
            yield from _few(config)
        else:
            yield from _of_folders(composition)


def _of_folders(composition: Composition) -> Iterator[str]:
    config = composition.config
    if config.get("memorisation"):
        yield "memorisation=true: is of a run's samples; of folders give generated=DIR training=DIR held_out=DIR"
    yield from _drawn(composition)
    for key, whose in (("clip_score", "samples and their captions"), ("perceptual", "reconstructions")):
        if config.get(key) is not None:
            yield f"{key}: is of a run's {whose}; leave it out"
    if not (config.get("generated") is None and config.get("statistics_out") is not None):  # which measures nothing
        yield from _folder("generated", config.get("generated"))
    reference = config.get("reference")
    if not (reference and reference.endswith(".npz") and exists(reference)):
        yield from _folder("reference", reference)
    yield from _extractor(composition)


def _drawn(composition: Composition) -> Iterator[str]:
    for key in composition.given(_OF_SAMPLES):
        yield f"{key}: is of samples that a run draws, and folders are taken as they are; leave it out"


def _families(config: DictConfig) -> Iterator[str]:
    if not OmegaConf.is_list(config.metrics):  # a single one is told of by its type
        return
    for family in config.metrics:
        if family not in FAMILIES:
            yield f"metrics: there is no {family}{meant(str(family), FAMILIES)}; they are {', '.join(FAMILIES)}"
    if config.kid_size is not None and "kid" not in config.metrics:
        yield f"kid_size={config.kid_size}: is of kid, which is not among metrics; add it, or leave kid_size out"


def _few(config: DictConfig) -> Iterator[str]:
    """Sizes of a run's sets under which one of its distances would fail after all samples are drawn."""
    sweeps = bool(swept(config))  # with sizes of its own, by one family
    given = () if sweeps or not OmegaConf.is_list(config.metrics) else config.metrics
    by_kid = not sweeps and isinstance(config.kid_size, int) and (config.metrics is None or "kid" in given)
    for key in ("n", "n_reference"):
        size = config.get(key)
        if not isinstance(size, int) or size < 1:  # told of by darkroom.commands.checking.limits
            continue
        for family in given:
            if size < LEAST.get(family, 0) and (key, family) != ("n_reference", "inception_score"):
                yield f"{key}={size}: too few for {family}; give at least {LEAST[family]}, or other metrics"
        if by_kid and size < config.kid_size:
            yield f"{key}={size}: too few for kid_size={config.kid_size}; give more, or set it lower"


def _compared(composition: Composition) -> Iterator[str]:
    config = composition.config
    for key in composition.given(key for key in map(str, config) if key not in _WITH_COMPARE):
        yield f"{key}: compare= shows what two files hold, and writes nothing; leave it out"
    if not OmegaConf.is_list(config.compare):  # told of by its type
        return
    if len(config.compare) != 2:
        yield f"compare: takes two files, not {len(config.compare)}; give compare=[a.json,b.json]"
    for path in config.compare:
        if not (exists(path) and Path(path).is_file()):
            yield f"compare: there is no file {path}; give one that evaluate.py wrote"


def _copied(composition: Composition) -> Iterator[str]:
    config = composition.config
    for key in ("metrics", "kid_size", "memorisation", "clip_score", "perceptual"):
        if config.get(key) not in (None, False):
            yield f"{key}: has no part in how copies are looked for in folders; leave it out"
    yield from _drawn(composition)
    for key in ("generated", "training", "held_out"):
        yield from _folder(key, config.get(key))
    training, held_out = config.get("training"), config.get("held_out")
    if training and held_out and is_folder(held_out) and Path(training).resolve() == Path(held_out).resolve():
        yield f"held_out={held_out}: is the folder of training; give pictures that were kept out of it"
    yield from _extractor(composition)


def _folder(key: str, path: str | None) -> Iterator[str]:
    if path is None:
        yield f"{key} is not set; give {key}=DIR, a folder of pictures"
    elif not exists(path):
        yield f"{key}={path}: there is no such folder; give a folder of pictures"
    elif not is_folder(path):
        yield f"{key}={path}: is a file; give a folder of pictures"


def _extractor(composition: Composition) -> Iterator[str]:
    if composition.config.get("extractor") is None:
        yield "extractor: none is chosen; give extractor=NAME, such as squeezenet1_1"


def weights_faults(composition: Composition) -> Iterator[str]:
    """Weights of pretrained networks that are not where the command line says."""
    for key in ("extractor.weights", "perceptual.weights", "perceptual.linear", "clip_score.weights"):
        group, _, name = key.partition(".")
        node = composition.config.get(group)
        if not isinstance(node, DictConfig) or name not in node or OmegaConf.is_missing(node, name):
            continue  # a missing value is told of as such
        path = node[name]
        if path is None or (exists(path) and Path(path).is_file()):  # None is told of by its type
            continue
        cached = OmegaConf.is_interpolation(node, name)
        remedy = f"put it there, or give {key}=FILE" if cached else "give one"
        yield f"{key}={path}: there is no such file; {remedy}{composition.comment(key)}"
    yield from tower_faults(composition.config.get("conditioner"))


def tower_faults(conditioner: Any, given: str | None = None) -> Iterator[str]:
    """Weights of a text tower that are not where its node says; of tags open_clip knows.

    ``given``: the key by which the command is told where it lies, where that is not the tower's own.
    """
    for key in tower_keys(conditioner):
        node, path = conditioner, OmegaConf.select(conditioner, key)
        if key != "pretrained":
            node = OmegaConf.select(conditioner, key.removesuffix(".pretrained"))
        if node.get("_target_") == _TOWER and not (exists(path) and Path(path).is_file()):
            own = f"conditioner.{key}"
            remedy = f"give {given or own}=PATH where it lies, or for a new training one of open_clip's tags"
            yield f"{own}={path}: there is no such file; {remedy}"


def tower_keys(conditioner: Any) -> list[str]:
    """The keys below a conditioner, or the parts of a merged one, that name a file of a text tower."""
    if not isinstance(conditioner, DictConfig):
        return []
    parts = conditioner.get("conditioners")
    keys = ["pretrained"] if parts is None else [f"conditioners.{number}.pretrained" for number in range(len(parts))]
    return [key for key in keys if names_file(OmegaConf.select(conditioner, key))]


def names_file(pretrained: Any) -> TypeGuard[str]:
    """Whether a text tower's weights are named by a path and not by one of open_clip's tags."""
    return isinstance(pretrained, str) and bool({".", "/"} & set(pretrained))
