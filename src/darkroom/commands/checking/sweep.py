"""Faults of a sweep over a run's sampling. Standard library."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from darkroom.commands.checking.compose import Composition
from darkroom.commands.checking.limits import run_fault
from darkroom.commands.checking.swept import SWEPT, swept
from darkroom.commands.checking.trained import stage_of


def sweep_faults(composition: Composition) -> Iterator[str]:
    """A line each; nothing where nothing is swept."""
    config = composition.config
    sweep = config.get("sweep")
    if not isinstance(sweep, DictConfig):
        yield f"sweep={sweep}: give the values of what is swept, sweep.guidance_scale=[1,2,3] for example"
        return
    asked = swept(config)
    for name in asked:
        yield from _of_values(name, sweep[name])
        if config.get(name) is not None:
            yield f"sweep.{name}: {name} is given as well; leave one of them out"
    if not asked:
        return
    if not isinstance(sweep.n, int) or sweep.n < 2:
        yield f"sweep.n={sweep.n}: is a number of samples, at least 2"
    for key in ("metrics", "perceptual"):
        if config.get(key) is not None:
            yield f"{key}: a sweep ranks samples by agreement, fd or CLIP score alone; leave it out"
    if config.get("memorisation"):
        yield "memorisation=true: is not told of a sweep's samples; evaluate the run by itself, or leave it out"
    yield from _of_run(asked[0], config.get("run"))


def _of_values(name: str, values: Any) -> Iterator[str]:
    least, kind = SWEPT[name]
    if not OmegaConf.is_list(values):
        yield f"sweep.{name}={values}: is not a list; give sweep.{name}=[{values}]"
        return
    for value in values:
        number = isinstance(value, (int, kind)) and not isinstance(value, bool) if least is not None else True
        if not number or (least is not None and not value >= least):  # also where it is nan
            what = "a whole number" if kind is int else "a number"
            yield f"sweep.{name}: {value} is not {what} of at least {least}"


def _of_run(name: str, path: Any) -> Iterator[str]:
    if path is None:
        yield f"sweep.{name}: is over the samples of a run; give run=logs/latent_diffusion/RUN"
        return
    if run_fault("run", path):  # told of elsewhere
        return
    config = OmegaConf.load(Path(path) / "config.yaml")
    if isinstance(config, DictConfig) and (stage := stage_of(config)) != "latent_diffusion":
        yield f"sweep.{name}: run={path} trained the stage {stage}, which draws no pictures"
