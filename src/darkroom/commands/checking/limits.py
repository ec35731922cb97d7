"""Faults of values: ranges, and paths that are not what they should be. Standard library only."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from darkroom.commands.checking.compose import Composition
from darkroom.commands.checking.root import LEAST


def limit_faults(composition: Composition) -> Iterator[str]:
    """Every value out of its range and every path that leads to the wrong thing, a line each."""
    config = composition.config
    yield from _ranges(composition)
    yield from _divisions(config)
    resumed = _text(config, "resume") is not None  # has its weights, and asks no more for those it began with
    for key in ("run", "resume") if resumed else ("run", "init"):
        if (path := _text(config, key)) is not None and (fault := run_fault(key, path)):
            yield fault
    if (path := _text(config, "data.root")) is not None and not _value(config, "data.download"):
        yield from _folder("data.root", path, "give a folder of pictures")
    if (path := _text(config, "first_stage.path")) is not None:
        yield from _artifact(path)
    for key in ("image", "mask"):
        if (path := _text(config, key)) is not None and not Path(path).is_file():
            yield f"{key}={path}: there is no such file"
    for key in ("logs", "resume", "run_id"):
        if "${" in (_text(config, key) or ""):
            yield f"{key}={_text(config, key)}: Hydra cannot write into a folder with ${{ in its name; give another"
    for key in ("logs", "out"):
        if (path := _text(config, key)) is not None:
            yield from _writable(key, path, Path(path).parent if path.endswith(".json") else Path(path))


def run_fault(key: str, path: str) -> str | None:
    """What is wrong with ``path`` as the folder of a run."""
    folder = Path(path)
    if not folder.is_dir():
        return f"{key}={path}: there is no such folder; give the folder of a run, logs/<stage>/<run id>"
    if not (folder / "config.yaml").is_file():
        inner = sorted(folder.glob("*/config.yaml"))
        hint = f"did you mean {inner[-1].parent}?" if inner else "give the folder of a run, logs/<stage>/<run id>"
        return f"{key}={path}: no run, it holds no config.yaml; {hint}"
    return None


def _ranges(composition: Composition) -> Iterator[str]:
    for key, least in LEAST.items():
        value = _value(composition.config, key)
        if isinstance(value, int) and not isinstance(value, bool) and value < least:
            yield f"{key}={value}: must be at least {least} ({composition.file(key)})"


def _divisions(config: DictConfig) -> Iterator[str]:
    """The global batch is divided by devices, nodes and accumulation."""
    names = ("trainer.devices", "trainer.num_nodes", "trainer.accumulate_grad_batches")
    parts = {name: value for name in names if isinstance(value := _value(config, name), int) and value > 0}
    batch, product = _value(config, "batch_size"), 1
    for value in parts.values():
        product *= value
    if isinstance(batch, int) and batch >= 1 and batch % product:
        terms = " x ".join(f"{name}={value}" for name, value in parts.items())
        fits = max(product, batch // product * product)
        yield f"batch_size={batch}: is not divided by {terms} = {product}; give batch_size={fits} for example"


def _artifact(path: str) -> Iterator[str]:
    folder = Path(path)
    if not folder.is_dir():
        yield f"first_stage.path={path}: there is no such folder; give an autoencoder's run, logs/autoencoder/<run id>"
        return
    places = (folder, folder / "first_stage")
    if not any((place / "latents.json").is_file() and (place / "HASH").is_file() for place in places):
        why = "holds no finished autoencoder (no first_stage/ with latents.json and HASH)"
        yield f"first_stage.path={path}: {why}; let its training end, or go on with resume={path}"


def _folder(key: str, path: str, remedy: str) -> Iterator[str]:
    if not Path(path).exists():
        yield f"{key}={path}: there is no such folder; {remedy}"
    elif not Path(path).is_dir():
        yield f"{key}={path}: is a file, not a folder; {remedy}"


def _writable(key: str, path: str, folder: Path) -> Iterator[str]:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        yield f"{key}={path}: {place} is a file; give a folder"
    elif not os.access(place, os.W_OK):
        yield f"{key}={path}: {place} cannot be written to; give another folder"


def _value(config: DictConfig, key: str) -> Any:
    """None where it is absent, missing or cannot be resolved."""
    try:
        return OmegaConf.select(config, key, throw_on_missing=False)
    except OmegaConfBaseException:
        return None


def _text(config: DictConfig, key: str) -> str | None:
    value = _value(config, key)
    return value if isinstance(value, str) else None
