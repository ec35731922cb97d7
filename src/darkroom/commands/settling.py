"""What the machine and the data decide of a training's config, and what the data say against it."""

import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from darkroom.autoencoding.artifact import find_artifact, read_latents
from darkroom.build import literal
from darkroom.commands.console import console
from darkroom.conditioning.auto import resolve
from darkroom.contracts import PictureSource
from darkroom.runs.folder import Run
from darkroom.runs.machine import multiplies_bf16


def accelerator(trainer: DictConfig) -> str:
    """``trainer.accelerator``; left to Lightning, ``auto`` may be Apple's, which has no float64 for the keys."""
    if trainer.accelerator != "auto":
        return trainer.accelerator
    return "cuda" if torch.cuda.is_available() else "cpu"


def settled(config: DictConfig) -> DictConfig:
    """The config with what the machine decides filled in, so that the run goes on with it on another."""
    config = config.copy()
    units = multiplies_bf16(torch.device("cuda" if accelerator(config.trainer) in ("cuda", "gpu") else "cpu"))
    if config.trainer.precision is None:
        config.trainer.precision = "bf16-mixed" if units else "32-true"
    elif str(config.trainer.precision).startswith("bf16") and not units:
        console.print(
            f"warning: trainer.precision={config.trainer.precision}: there are no units for bf16 here, and products "
            "are emulated, many times slower than those of trainer.precision=32-true",
            style="yellow",
            soft_wrap=True,
        )
    return config


def completed(config: DictConfig, source: PictureSource) -> DictConfig:
    """The config with what the data decide filled in."""
    config = config.copy()
    with open_dict(config):
        if config.get("conditioner") is not None:
            node, line = resolve(config.conditioner, source.split("train").captions, source.classes)
            config.conditioner = literal(node)
            if line:
                console.print(line, soft_wrap=True)
    return config


def know_pictures(config: DictConfig, run: Run, source: PictureSource, *, first: bool) -> None:
    """Fills in ``data_fingerprint``; raises ValueError where a run that goes on had another.

    One picture more or less, and all come in another order. Of a folder every byte is read, by the ``first`` process
    alone: those that it starts have its answer in their config.
    """
    held = config.get("data_fingerprint")
    if held is not None and not first:
        source.fingerprint = held
        return
    found = source.fingerprint
    if held not in (None, found):
        raise ValueError(
            f"data_fingerprint={held[:12]}...: the run's pictures are not what they were, they have {found[:12]}... "
            f"now; put the old ones back, or start a new run with init={run.path}"
        )
    with open_dict(config):
        config.data_fingerprint = found


def of_other_pictures(config: DictConfig) -> str | None:
    """A line where the first stage learnt from pictures that are not the run's, which may be meant."""
    if not (path := OmegaConf.select(config, "first_stage.path")):
        return None
    made, learnt = read_latents(find_artifact(path)), f"first_stage.path={path}: learnt from"
    if made.get("resolution") not in (None, config.resolution):
        return f"{learnt} pictures of {made['resolution']} pixels, and this run has resolution={config.resolution}"
    if made.get("data_fingerprint") not in (None, config.data_fingerprint):
        return f"{learnt} other pictures than this run's; unless that is meant, give both stages the same data"
    return None
