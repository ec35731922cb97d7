"""Faults of values: ranges, and paths that are not what they should be. Standard library only."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from darkroom.commands.checking.compose import COMMAND_LINE, Composition
from darkroom.commands.checking.paths import exists, is_folder
from darkroom.commands.checking.root import LEAST, SHARES

_ROOM = 20 * 2**20  # bytes: with less, not even the smallest run could keep its checkpoints
_NAME = 255  # bytes of a file's name on every usual file system
_REFUSED = (  # of Lightning's precisions: weights and pictures are float32, gradients are clipped unscaled
    *("16", "16-mixed", "16-true", "bf16-true", "64", "64-true"),
    *("transformer-engine", "transformer-engine-float16"),
)
_OF_A_RUN = ("train.log", "checkpoints")  # what Hydra and a training that goes on write in
_STEPS = "trainer.max_steps"
_TRACKER = "darkroom.runs.wandb_run.WandbRun"
_UNTAKEN = "one of : ; , # ? ' or a space at an end"
_NO_ID, _NO_PROJECT = r"[:;,#?']|^\s|\s$", r"[/\\#?%:]|.{129}"  # as wandb 0.31 has them


def limit_faults(composition: Composition) -> Iterator[str]:
    """Every value out of its range and every path that leads to the wrong thing, a line each."""
    config = composition.config
    yield from _ranges(composition)
    yield from _shares(composition)
    yield from _divisions(config)
    if _value(config, "trainer._target_") is not None:
        yield from _of_trainer(composition)
    resumed = _text(config, "resume") is not None  # has its weights, and asks no more for those it began with
    for key in ("run", "resume") if resumed else ("run", "init"):
        if (path := _text(config, key)) is not None and (fault := run_fault(key, path)):
            yield fault
    if (path := _text(config, "data.root")) is not None and not _value(config, "data.download"):
        yield from _folder("data.root", path, "give a folder of pictures")
    for key in ("logs", "resume", "run_id"):
        if "${" in (_text(config, key) or ""):
            yield f"{key}={_text(config, key)}: Hydra cannot write into a folder with ${{ in its name; give another"
    for key in ("logs", "run_id", "out"):
        if _text(config, key) == "":
            yield f"{key}=: is empty; give a name, or leave {key} out"
    if "/" in (run_id := _text(config, "run_id") or "") or run_id in (".", ".."):
        yield f"run_id={run_id}: is to be the name of one folder in <logs>/<stage>/, without a slash; logs= says where"
    yield from _taken(config, resumed)
    yield from _untracked(config)
    for key in ("resume" if resumed else "logs", "out", "statistics_out", "cache", "stage.latents"):
        if (path := _text(config, key)) is not None:
            folder = Path(path).parent if path.endswith((".json", ".npz")) else Path(path)
            yield from unwritable(key, path, folder, inner=_OF_A_RUN if key == "resume" else ())


def _taken(config: DictConfig, resumed: bool) -> Iterator[str]:
    """A new run of the name of an old one; the processes that share a run find its config.yaml there."""
    parts = [_text(config, key) for key in ("logs", "stage.name", "run_id")]
    if resumed or "LOCAL_RANK" in os.environ or None in parts:
        return
    run = Path(*filter(None, parts))
    if (run / "config.yaml").is_file():
        yield f"run_id={parts[-1]}: {run} is there already; go on with it by resume={run}, or give another name"
    elif any(run.glob("checkpoints/step-*.ckpt")):
        yield f"run_id={parts[-1]}: {run} has checkpoints, and no config.yaml to go on by; give another name"


def _untracked(config: DictConfig) -> Iterator[str]:
    """Names that Weights & Biases refuses, of the run and of its project."""
    loggers = config.get("logger")
    for name in map(str, loggers) if isinstance(loggers, DictConfig) else ():
        if _value(config, f"logger.{name}._target_") != _TRACKER:
            continue
        if re.search(_NO_ID, run_id := _text(config, "run_id") or ""):
            yield f"run_id={run_id}: Weights & Biases takes none with {_UNTAKEN}; give another, or logger=csv"
        project = _text(config, f"logger.{name}.project") or ""
        if re.search(_NO_PROJECT, project):
            yield f"logger.{name}.project={project}: Weights & Biases takes 128 characters, and none of / \\ # ? % :"


def run_fault(key: str, path: str) -> str | None:
    """What is wrong with ``path`` as the folder of a run."""
    folder = Path(path)
    if not is_folder(path):
        return f"{key}={path}: there is no such folder; give the folder of a run, logs/<stage>/<run id>"
    if (folder / "config.yaml").is_file():
        strange = f"{key}={path}: its config.yaml is not one that train.py wrote; give the folder of a run"
        return None if _is_of_a_run(folder / "config.yaml") else strange
    inner = sorted(folder.glob("*/config.yaml"))
    hint = f"did you mean {inner[-1].parent}?" if inner else "give the folder of a run, logs/<stage>/<run id>"
    return f"{key}={path}: no run, it holds no config.yaml; {hint}"


def _is_of_a_run(file: Path) -> bool:
    """Whether it is a mapping that has a stage."""
    try:
        config = OmegaConf.load(file)
    except (OSError, ValueError, yaml.YAMLError, OmegaConfBaseException):  # no text, no yaml, or a single value
        return False
    return isinstance(config, DictConfig) and isinstance(config.get("stage"), DictConfig)


def foreign_fault(key: str, path: str) -> str | None:
    """What Hydra itself would obey in a run or its config.yaml, which ours never have: it may name any code."""
    if (own := Path(path) / "hydra").exists():  # found before conf/hydra
        return f"{key}={path}: Hydra would obey what lies in {own}, which train.py has not written; remove it"
    config = OmegaConf.load(Path(path) / "config.yaml")
    found = [each for each in ("hydra", "defaults") if isinstance(config, DictConfig) and each in config]
    return f"{key}={path}: its config.yaml has {found[0]}:, so train.py has not written it" if found else None


def _ranges(composition: Composition) -> Iterator[str]:
    for key, least in LEAST.items():
        value = _own(composition.config, key)
        if isinstance(value, int) and not isinstance(value, bool) and value < least:
            yield f"{key}={value}: must be at least {least} ({composition.file(key)})"


def _shares(composition: Composition) -> Iterator[str]:
    for key in SHARES:
        value = _own(composition.config, key)
        if isinstance(value, int | float) and not 0 <= value <= 1:
            yield f"{key}={value}: must lie between 0 and 1 ({composition.file(key)})"


def _divisions(config: DictConfig) -> Iterator[str]:
    """The global batch is divided by devices and accumulation."""
    names = ("trainer.devices", "trainer.accumulate_grad_batches")
    parts = {name: value for name in names if isinstance(value := _value(config, name), int) and value > 0}
    batch, product = _value(config, "batch_size"), 1
    for value in parts.values():
        product *= value
    if isinstance(batch, int) and batch >= 1 and batch % product:
        terms = " x ".join(f"{name}={value}" for name, value in parts.items())
        fits = max(product, batch // product * product)
        yield f"batch_size={batch}: is not divided by {terms} = {product}; give batch_size={fits} for example"


def _of_trainer(composition: Composition) -> Iterator[str]:
    """What Lightning takes and a training here cannot do."""
    config = composition.config
    precision, nodes, interval = (
        _value(config, f"trainer.{name}") for name in ("precision", "num_nodes", "val_check_interval")
    )
    if str(precision) in _REFUSED:
        where = composition.file("trainer.precision")
        yield f"trainer.precision={precision}: a training computes in 32-true or in bf16-mixed ({where})"
    if isinstance(nodes, int) and nodes > 1:
        yield f"trainer.num_nodes={nodes}: a training runs on one machine; trainer.devices says on how many of its GPUs"
    if not isinstance(interval, int) or isinstance(interval, bool):
        where = composition.file("trainer.val_check_interval")
        yield f"trainer.val_check_interval={interval}: counts optimizer steps; give a whole number ({where})"
    asked, taken = _value(config, "max_steps"), _value(config, _STEPS)
    if asked != taken and composition.file("max_steps") == COMMAND_LINE != (where := composition.file(_STEPS)):
        yield f"max_steps={asked}: goes unheard, since {_STEPS} is {taken} ({where}); give {_STEPS}={asked}"
    if (started := os.environ.get("SLURM_STEP_NUM_TASKS", "1")) != "1":
        yield f"SLURM_STEP_NUM_TASKS={started}: srun starts as many trainings; give it -n 1, and trainer.devices=N"


def _folder(key: str, path: str, remedy: str) -> Iterator[str]:
    if not exists(path):
        yield f"{key}={path}: there is no such folder; {remedy}"
    elif not is_folder(path):
        yield f"{key}={path}: is a file, not a folder; {remedy}"
    elif not os.access(path, os.R_OK | os.X_OK):
        yield f"{key}={path}: may not be read; take the right to (chmod u+rx), or give another folder"


def unwritable(
    key: str, path: str, folder: Path, *, other: str = "give another folder", inner: Sequence[str] = ()
) -> Iterator[str]:
    """Why nothing can be written into ``folder``, which need not be there yet; ``other`` is what else can be done.

    ``inner``: what lies in it and is written to as well, where it is there.
    """
    place = folder.absolute()
    while not exists(place):
        place = place.parent
    if too_long := [part for part in folder.parts if len(os.fsencode(part)) > _NAME]:
        yield f"{key}={path}: {len(too_long[0])} characters are too long for the name of a folder; give another"
    elif not place.is_dir():
        yield f"{key}={path}: {place} is a file; give a folder"
    elif locked := _locked(place, inner):
        yield f"{key}={path}: {locked} cannot be written to; take the right to (chmod u+w), or {other}"
    elif (free := shutil.disk_usage(place).free) < _ROOM:
        yield f"{key}={path}: the disk is full ({free / 2**20:.0f} MiB are free); make room, or {other}"


def _locked(folder: Path, inner: Sequence[str]) -> Path | None:
    """What may not be written to: the folder, or one of ``inner``."""
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).total == 0:  # nothing such as /proc holds files
        return folder
    paths = (folder / name for name in inner)
    return next((path for path in paths if exists(path) and not os.access(path, os.W_OK)), None)


def _own(config: DictConfig, key: str) -> Any:
    """The value where it is written there; None where it repeats another key, which is told of by itself."""
    parent = _value(config, key.rpartition(".")[0]) if "." in key else config
    if not isinstance(parent, DictConfig) or OmegaConf.is_interpolation(parent, key.rpartition(".")[2]):
        return None
    return _value(config, key)


def _value(config: DictConfig, key: str) -> Any:
    """None where it is absent, missing or cannot be resolved."""
    try:
        return OmegaConf.select(config, key, throw_on_missing=False)
    except OmegaConfBaseException:
        return None


def _text(config: DictConfig, key: str) -> str | None:
    value = _value(config, key)
    return value if isinstance(value, str) else None
