"""Runs as training leaves them, without the training: config.yaml, one checkpoint, and an artifact where asked."""

from collections.abc import Sequence
from pathlib import Path

import torch
from omegaconf import DictConfig, open_dict
from torch import nn

from darkroom.autoencoding.first_stage import write_artifact
from darkroom.autoencoding.latent_statistics import LatentStatistics
from darkroom.build import build
from darkroom.commands.checking.compose import Space, composed
from darkroom.conditioning.auto import resolve
from darkroom.generation.denoising import Denoising
from darkroom.keys import keys
from darkroom.runs.checkpoint import checkpoint_path
from darkroom.runs.folder import Run

CONF = Path(__file__).resolve().parents[2] / "conf"
SHAPES = ["data.train_size=12", "data.validation_size=6"]
SIZES = ["network.width=16", "network.depth=1", "network.heads=2", "network.patch=8"]
SMALL = ["network=dit_small", *SIZES, "sampler.num_steps=2"]
READER = ["conditioner.text.width=16", "conditioner.text.heads=1", "conditioner.class_label.width=16"]
AUTOENCODER = ["autoencoder=kl_f8_small", "autoencoder.encoder.width=16", "autoencoder.decoder.width=16"]


def config_of(experiment: str, *overrides: str) -> DictConfig:
    return composed(Space(CONF, "train"), [f"experiment={experiment}", "run_id=x", "resolution=32", *overrides]).config


def diffusion_run(
    folder: Path,
    *overrides: str,
    data: Sequence[str] = SHAPES,
    first_stage: str = "first_stage=identity",
    captions: Sequence[str] | None = ("a red circle above a small blue square",),
    classes: Sequence[str] | None = None,
    seed: int = 0,
) -> Run:
    """A denoiser with weights of its own, of pixels, whose condition was learnt from ``captions`` or ``classes``."""
    config = config_of("shapes_latent_diffusion", first_stage, *data, *SMALL, *READER, *overrides)
    with open_dict(config):
        config.conditioner = resolve(config.conditioner, captions, classes).node
    run = Run(folder)
    run.write_config(config)
    parts = {"network": build(config.network), "conditioner": build(config.conditioner)}
    save(run, Denoising(**parts, first_stage=build(config.first_stage)), seed)
    return run


def save(run: Run, model: nn.Module, seed: int = 0) -> None:
    """A checkpoint of step 1, in which no weight is left at zero."""
    values = {}
    for name, value in model.state_dict().items():
        [draw] = keys(seed=seed, purpose=name, places=[0]).normal(tuple(value.shape))
        values[f"model.{name}"] = 0.2 * draw
    run.checkpoints.mkdir(parents=True)
    torch.save({"state_dict": values, "callbacks": {}}, checkpoint_path(run.checkpoints, 1))


def autoencoder_run(folder: Path, *overrides: str) -> Run:
    """A run of the first stage that has ended with an artifact."""
    config = config_of("shapes_autoencoder", *SHAPES, *AUTOENCODER, *overrides)
    run = Run(folder)
    run.write_config(config)
    model = build(config.autoencoder)
    save(run, model)
    statistics = LatentStatistics(model.latent_channels)
    statistics.update(model.encode(keys(seed=0, purpose="pictures", places=range(4)).normal((3, 32, 32))))
    write_artifact(
        run.first_stage,
        config=config.autoencoder,
        autoencoder=model,
        weights=model.state_dict(),
        statistics=statistics,
        resolution=32,
        fingerprint="x",
        step=1,
    )
    return run


def asked(command: str, *argv: str) -> DictConfig:
    """The config of a command as it reaches the task."""
    from darkroom.commands.checking.argv import read

    return composed(Space(CONF, command), read(argv).overrides).config
