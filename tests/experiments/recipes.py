"""The experiments as their tests see them: found by glob, made small, started by the real commands."""

import importlib
import subprocess
import sys
from functools import cache
from pathlib import Path

from omegaconf import DictConfig
from PIL import Image

from darkroom.commands.checking.compose import Space, composed

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
NAMES = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))

# What makes a network of more than 20 M parameters small enough to be stepped on a CPU.
NARROW = {
    "kl_f8_autoencoder": ["resolution=64", "autoencoder.encoder.width=32", "autoencoder.decoder.width=32"],
    "latent_diffusion_dit_b": ["resolution=64", "network.width=96", "network.depth=2"],
}


@cache
def config_of(name: str) -> DictConfig:
    """The composed config of an experiment; values that the user gives are still missing."""
    return composed(Space(CONF, "train"), [f"experiment={name}"]).config


def stage_of(name: str) -> str:
    return config_of(name).stage.name


DIFFUSIONS = [name for name in NAMES if stage_of(name) == "latent_diffusion"]
AUTOENCODERS = [name for name in NAMES if stage_of(name) == "autoencoder"]


def first_stage_of(name: str) -> str:
    """The autoencoder experiment on the same pictures as the diffusion experiment ``name``."""
    data = config_of(name).data._target_
    return next(each for each in AUTOENCODERS if config_of(each).data._target_ == data)


def tiny(name: str, folder: Path, steps: int = 1, logger: str = "csv") -> list[str]:
    """``experiment=name`` for few steps and small batches, with its run in ``folder``."""
    common = [
        f"experiment={name}",
        f"logs={folder}",
        f"max_steps={steps}",
        "batch_size=4",
        "num_workers=0",
        f"logger={logger}",
        "trainer.log_every_n_steps=1",
        f"trainer.val_check_interval={steps}",
        "trainer.limit_val_batches=2",
        "callback.samples.n=2",
        *("callback.distribution.n=5", "callback.distribution.n_reference=6"),
    ]
    kept = [f"stage.latents={folder / 'latents'}", f"callback.distribution.cache={folder / 'features'}"]
    drawing = ["sampler.num_steps=2", *kept]
    return [*common, *(drawing if stage_of(name) == "latent_diffusion" else []), *NARROW.get(name, [])]


def tiny_data(name: str, pictures: Path) -> list[str]:
    """Few drawn shapes where the experiment has shapes, else the folder ``pictures`` in place of its own data."""
    if config_of(name).data._target_.endswith(".Shapes"):
        return ["data.train_size=16", "data.validation_size=8"]
    return ["data=image_folder", f"data.root={pictures}", "data.validation_fraction=0.25"]


def write_pictures(folder: Path) -> Path:
    """Twelve pictures in two classes."""
    for number in range(12):
        place = folder / ("bright" if number % 2 else "dark") / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (48, 40), (20 * number, 255 - 20 * number, 128)).save(place)
    return folder


def call(command: str, *argv: str) -> int:
    """``python <command>.py argv...`` without a new process; the exit code."""
    return importlib.import_module(f"darkroom.commands.{command}").main(list(argv), CONF)


def process(command: str, *argv: str, cwd: Path) -> str:
    """The output of a real ``python <command>.py argv...``; fails with what it wrote where it does not succeed."""
    done = subprocess.run(
        [sys.executable, str(ROOT / f"{command}.py"), *argv], cwd=cwd, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def run_in(folder: Path, stage: str) -> Path:
    """The only run of ``stage`` below ``folder``."""
    (run,) = (folder / stage).iterdir()
    return run
