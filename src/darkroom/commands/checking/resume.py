"""``resume=RUN``: the run's config.yaml is the config, and what would make it another run is refused by name."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from omegaconf import DictConfig, OmegaConf

from darkroom.commands.checking.argv import Arguments, name, parsed, quoted, shown
from darkroom.commands.checking.compose import Space
from darkroom.commands.checking.folders import names_file
from darkroom.commands.checking.limits import foreign_fault, run_fault
from darkroom.commands.checking.overrides import Vocabulary
from darkroom.commands.checking.spelling import meant

FREE = (
    "max_steps",
    "trainer",
    "logger",
    "callback",
    "num_workers",
    "compile",
    "packages",
)  # may differ from the run's beginning
_KEPT = "callback.ema"  # but not this: the average is of the whole training, and what the run is judged by
_MOVED = ("data.root", "stage.latents")  # places of the machine that it began on; their content has a hash
_TOWER = re.compile(r"conditioner(\.conditioners\.\d+)?\.pretrained")  # another


def run_space(run: str) -> Space:
    """Where Hydra finds the config of a run."""
    return Space(Path(run), "config")


def resume_faults(arguments: Arguments, vocabulary: Vocabulary) -> list[str]:
    """What forbids to resume: no run there, or overrides that contradict it."""
    run = arguments.value("resume")
    if run is None or arguments.multirun:
        return [f"resume={run}: goes on with one run; leave -m out"]
    if fault := run_fault("resume", run) or foreign_fault("resume", run):
        return [fault]
    config = OmegaConf.load(Path(run) / "config.yaml")
    assert isinstance(config, DictConfig)
    found = [fault for text in arguments.overrides if (fault := _fault(text, run, config, vocabulary))]
    return [*found, *_short_faults(arguments, run)]


def _short_faults(arguments: Arguments, run: str) -> Iterator[str]:
    """Fewer steps than are done: the run would end at once as if they had been asked for from the beginning."""
    whole = filter(is_zipfile, Path(run, "checkpoints").glob("step-*"))  # a torn one is passed over when it goes on
    names = (re.fullmatch(r"step-(\d+)\.ckpt", path.name) for path in whole)
    done = max((int(found[1]) for found in names if found), default=0)
    for key in ("max_steps", "trainer.max_steps"):
        steps = arguments.value(key)
        if steps is not None and steps.isdecimal() and int(steps) < done:
            yield f"{key}={steps}: the run {run} has done {done} steps; give more, or start a new run with init={run}"


def kept_overrides(arguments: Arguments) -> list[str]:
    """The overrides that a resumed run obeys; the others only repeat what it has."""
    run, steps = arguments.value("resume"), arguments.value("max_steps")
    kept = [text for text in arguments.overrides if _is_free(name(text)) or name(text).startswith("hydra")]
    towers = {text: name(text) for text in kept if _TOWER.fullmatch(name(text))}
    twins = [text.replace(key, f"stage.{key}", 1) for text, key in towers.items()]  # they were ${conditioner}
    return [*(_followers(Path(run or ""), steps) if steps else ()), *kept, *twins]


def _moves(pretrained: Any, key: str, config: DictConfig) -> bool:
    """Whether a text tower's file is given for a file: a tag of open_clip tells the activation too, a path does not."""
    return names_file(OmegaConf.select(config, key)) and names_file(pretrained)


def _is_free(key: str) -> bool:
    return (
        key in _MOVED
        or bool(_TOWER.fullmatch(key))
        or (key.split(".")[0] in FREE and not f"{key}.".startswith(f"{_KEPT}."))
    )


def _followers(run: Path, steps: str) -> list[str]:
    """What was ``${max_steps}`` when the run began, and stands in its resolved config.yaml as a number."""
    config = OmegaConf.load(run / "config.yaml")
    keys = ("trainer.max_steps", "lr_schedule.total_steps", "stage.lr_schedule.total_steps")
    return [f"{key}={steps}" for key in keys if OmegaConf.select(config, key) == config.max_steps]


def hydra_overrides(run: str, conf: Path) -> list[str]:
    """What Hydra must be told, since a run's config.yaml holds nothing of Hydra's."""
    folder = str(Path(run).resolve())
    settings = [f"hydra.searchpath=[{quoted(str(conf.resolve()))}]", "+hydra=default", *_trusted(Path(folder))]
    return [*settings, f"hydra.run.dir={quoted(folder)}", f"resume={quoted(folder)}", *_own_artifact(Path(folder))]


def _trusted(run: Path) -> list[str]:
    """A run may come from a stranger: only the command line says whose packages are believed."""
    return ["packages=[]"] if "packages" in OmegaConf.load(run / "config.yaml") else []


def _own_artifact(run: Path) -> list[str]:
    """A run keeps a copy of its first stage: taken from there, it may have been moved."""
    config = OmegaConf.load(run / "config.yaml")
    copy = run / "first_stage"
    if not (copy / "HASH").is_file():
        return []
    keys = ("first_stage.path", "stage.first_stage.path")  # the second was an interpolation of the first
    return [f"{key}={quoted(str(copy))}" for key in keys if OmegaConf.select(config, key) is not None]


def _fault(text: str, run: str, config: DictConfig, vocabulary: Vocabulary) -> str | None:
    override, key = parsed(text), name(text)
    root = key.split(".")[0].split("/")[0]
    if key == "resume" or root == "hydra":
        return None
    if _is_free(key) and (not _TOWER.fullmatch(key) or _moves(override.value(), key, config)):
        if not vocabulary.chooses(override):
            return None
        return (
            f"{shown(text)}: a resumed run keeps its options; set single keys of {root} instead, as in {root}.KEY=VALUE"
        )
    if override.is_delete() or override.is_add() or override.is_force_add():
        return f"{shown(text)}: a resumed run keeps its config.yaml; leave it out"
    if root not in config:
        return f"{shown(text)}: the run {run} has no key {root}{meant(root, {*FREE, *map(str, config)})}"
    held = OmegaConf.select(config, key, throw_on_missing=False)
    if held == override.value() and not isinstance(held, DictConfig):
        return None
    has = "has another" if isinstance(held, DictConfig) or held is None else f"has {key}={held}"
    return f"{shown(text)}: the run {run} {has} and keeps it; leave it out, or start a new run with init={run}"
