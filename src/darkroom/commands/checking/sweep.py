"""Faults of a sweep over a run's sampling. Standard library."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from darkroom.commands.checking.compose import Composition, Space, composed
from darkroom.commands.checking.limits import run_fault
from darkroom.commands.checking.spelling import meant
from darkroom.commands.checking.swept import SWEPT, swept
from darkroom.commands.checking.trained import stage_of
from darkroom.diffusion.pairs import pair_faults


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
    if importlib.util.find_spec("matplotlib") is None:
        yield f"sweep.{asked[0]}: plots want matplotlib; install it with pip install 'darkroom[plots]'"
    if not isinstance(sweep.n, int) or sweep.n < 2:
        yield f"sweep.n={sweep.n}: is a number of samples, at least 2"
    for key in ("metrics", "kid_size", "perceptual"):
        if config.get(key) is not None:
            yield f"{key}: a sweep ranks samples by agreement, fd or CLIP score alone; leave it out"
    if config.get("memorisation"):
        yield "memorisation=true: is not told of a sweep's samples; evaluate the run by itself, or leave it out"
    yield from _of_run(asked[0], config.get("run"), composition)


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


def _of_run(name: str, path: Any, composition: Composition) -> Iterator[str]:
    if path is None:
        yield f"sweep.{name}: is over the samples of a run; give run=logs/latent_diffusion/RUN"
        return
    if run_fault("run", path):  # told of elsewhere
        return
    config = OmegaConf.load(Path(path) / "config.yaml")
    if not isinstance(config, DictConfig):  # told of elsewhere
        return
    if (stage := stage_of(config)) != "latent_diffusion":
        yield f"sweep.{name}: run={path} trained the stage {stage}, which draws no pictures"
        return
    samplers = composition.config.sweep.sampler
    for each in map(str, samplers if OmegaConf.is_list(samplers) else ()):
        yield from _of_sampler(each, config.process, composition.space)


def _of_sampler(name: str, process: Any, space: Space) -> Iterator[str]:
    """One that there is not, or that cannot work on the run's schedule."""
    known = sorted(path.stem for path in (space.folder / "sampler").glob("*.yaml"))
    if name in known:
        yield from (f"sweep.sampler={name}: {fault}" for fault in pair_faults(process, sampler_node(name, space)))
    else:
        yield f"sweep.sampler={name}: there is no such sampler{meant(name, known)}"


def sampler_node(name: str, space: Space) -> DictConfig:
    """The sampler of that name with all that its file is made of."""
    return composed(space, [f"sampler={name}"]).config.sampler
