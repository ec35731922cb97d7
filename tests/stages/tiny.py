"""Both stages as commands/fit.py trains them, small enough to be trained in a second."""

import csv
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from darkroom.build import build
from darkroom.commands.fit import fit
from darkroom.runs.checkpoint_io import AtomicCheckpointIO
from darkroom.runs.folder import Run

CONF = Path(__file__).resolve().parents[2] / "conf"
COMMON = [
    "run_id=tiny",
    "resolution=32",
    "batch_size=8",
    "trainer=cpu",  # float32, deterministic
    "trainer.log_every_n_steps=2",
    "trainer.val_check_interval=4",
    "logger=csv",
    "optimizer.lr=0.01",
    "lr_schedule.warmup_steps=2",
    "callback.progress=null",
    "callback.throughput=null",
]
SHAPES = ["data=shapes", "data.train_size=24", "data.validation_size=6"]
DIFFUSION = [
    "stage=latent_diffusion",
    "first_stage=identity",
    "network=dit_small",
    "process=flow",
    "conditioner=auto",
    "sampler=euler",
    "guidance=cfg",
    "network.width=32",
    "network.depth=2",
    "network.heads=2",
    "network.patch=8",
    "conditioner.text.width=16",
    "conditioner.text.heads=2",
    "conditioner.text.layers=1",
    "sampler.num_steps=2",
    "callback.samples.n=3",
    *("callback.distribution.n=5", "callback.distribution.n_reference=6", "callback.distribution.batch_size=2"),
]
AUTOENCODER = [
    "stage=autoencoder",
    "autoencoder=kl_f8_small",
    *(f"autoencoder.{part}.width=16" for part in ("encoder", "decoder")),
]


def train(folder: Path, recipe: list[str], *overrides: str) -> Run:
    """Trains in ``folder``, from its newest checkpoint where it has one."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        data = [] if any(each.startswith("data=") for each in overrides) else SHAPES
        given = [*COMMON, *data, *recipe, *overrides]
        if recipe is DIFFUSION:
            given += [
                f"stage.latents={folder.parent / 'latents'}",
                f"callback.distribution.cache={folder.parent / 'features'}",
            ]
        config = compose("train", given, return_hydra_config=True)
    with open_dict(config):
        config.hydra.runtime.output_dir = str(folder)
        HydraConfig.instance().set_config(config)
        del config.hydra
    fit(config, build(config.data))
    return Run(folder)


def checkpoint(run: Run) -> dict:
    return AtomicCheckpointIO().load_checkpoint(run.trained())


def rows(run: Run, *names: str) -> list[tuple[str, ...]]:
    """The values of metrics.csv as they are written, by step, where there are any."""
    with run.metrics.open() as file:
        found = [tuple(row[name] for name in ("step", *names)) for row in csv.DictReader(file)]
    return [row for row in found if any(row[1:])]


def differences(first: object, second: object, at: str = "") -> list[str]:
    """The places at which two checkpoints are not equal bit for bit."""
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return [] if torch.equal(first, second) else [at]
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return [place for name in first for place in differences(first[name], second[name], f"{at}/{name}")]
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)) and len(first) == len(second):
        pairs = enumerate(zip(first, second, strict=True))
        return [place for i, (a, b) in pairs for place in differences(a, b, f"{at}/{i}")]
    return [] if first == second else [at]
