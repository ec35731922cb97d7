"""Faults of ``trainer.accelerator``, ``trainer.devices`` and evaluate.py's ``devices``: more than the machine has.

Torch alone knows the GPUs, so it is imported here: only where GPUs are asked for, and after every other check.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from darkroom.commands.checking.argv import name
from darkroom.commands.checking.compose import Composition
from darkroom.commands.checking.limits import run_fault
from darkroom.commands.checking.spelling import meant
from darkroom.commands.checking.trained import stage_of

_ACCELERATORS = ("auto", "cpu", "gpu", "cuda")
_DEVICES = r"auto|-1|\d+( *, *\d+)*,?"  # as text: Lightning's
_OTHERS = ("mps", "tpu")  # of Lightning's


def device_faults(composition: Composition) -> Iterator[str]:
    """What this machine cannot give; nothing of a machine that a launcher finds elsewhere."""
    trainer = composition.config.get("trainer")
    if not isinstance(trainer, DictConfig) or "hydra/launcher" in map(name, composition.overrides):
        return
    accelerator, devices = trainer.get("accelerator"), trainer.get("devices")
    if accelerator in _OTHERS:
        yield f"trainer.accelerator={accelerator}: the random numbers want 64-bit types; give cuda or cpu"
        return
    if isinstance(accelerator, str) and accelerator not in _ACCELERATORS:
        near = meant(accelerator, _ACCELERATORS)
        yield f"trainer.accelerator={accelerator}: no accelerator{near} ({composition.file('trainer.accelerator')})"
        return
    if not _names_some(devices):
        where = composition.file("trainer.devices")
        shown = f"[{', '.join(map(str, devices))}]" if isinstance(devices, ListConfig) else devices
        yield f"trainer.devices={shown}: give a number, or a list of those to use, as in [0,1] ({where})"
        return
    wanted = _count(devices)
    if isinstance(devices, int) and (devices == 0 or devices < -1):
        yield f"trainer.devices={devices}: must be at least 1, or -1 for all ({composition.file('trainer.devices')})"
    elif accelerator in ("gpu", "cuda") or (accelerator == "auto" and wanted > 1):
        there = gpus()
        if accelerator != "auto" and not there:
            yield f"trainer.accelerator={accelerator}: there is no GPU here; give trainer.accelerator=cpu"
        elif 0 < there < wanted:
            yield f"trainer.devices={devices}: there {_are(there, 'GPU')} here; give trainer.devices={there}"


def drawing_faults(composition: Composition) -> Iterator[str]:
    """``devices`` of evaluate.py: more than there are, and where nothing is drawn or looked at on them."""
    config = composition.config
    devices = config.get("devices")
    if not isinstance(devices, int) or devices <= 1:
        return
    if config.get("compare"):
        yield f"devices={devices}: compare= reads two files and computes nothing; leave devices out"
    elif (path := config.get("run")) is not None and run_fault("run", path) is None:
        run = OmegaConf.load(Path(path) / "config.yaml")
        if isinstance(run, DictConfig) and (stage := stage_of(run)) != "latent_diffusion":
            yield f"devices={devices}: run={path} trained the stage {stage}, which draws no samples; leave devices out"
    there, what = (gpus(), "GPU") if gpus() else (cores(), "core")
    if devices > there:
        yield f"devices={devices}: there {_are(there, what)} here; give devices={there}"


def crowding(config: DictConfig) -> str | None:
    """A warning where more processes are to share the cores of this machine than it has."""
    accelerator, wanted = config.trainer.get("accelerator"), _count(config.trainer.get("devices"))
    there = cores()
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and wanted > 1 and not gpus())
    if not on_cpu or wanted <= there:
        return None
    return f"trainer.devices={wanted}: there {_are(there, 'core')} here, so that processes will wait for one another"


def cores() -> int:
    """Of this machine, that are this process's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> int:
    """How many this machine has that a training can use."""
    import torch

    return torch.cuda.device_count()


def _names_some(devices: Any) -> bool:
    """Whether a text or a list is one that Lightning reads; of numbers :func:`device_faults` tells the range."""
    if isinstance(devices, ListConfig):
        return bool(devices) and all(isinstance(each, int) and each >= 0 for each in devices)
    return not isinstance(devices, str) or re.fullmatch(_DEVICES, devices) is not None


def _count(devices: Any) -> int:
    """So many must there be; 1 where the number is left to Lightning."""
    if isinstance(devices, ListConfig) and devices:
        return max(int(each) for each in devices) + 1
    return int(devices) if isinstance(devices, int | str) and str(devices).isdecimal() else 1


def _are(number: int, what: str) -> str:
    return f"is 1 {what}" if number == 1 else f"are {number} {what}s"
