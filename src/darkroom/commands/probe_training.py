"""The denoiser of a probe: the same for every autoencoder, trained by train.py in a process of its own.

A training lies in a folder named after all that decides it: one that was stopped goes on, and none is done twice.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict

from darkroom.autoencoding.artifact import find_artifact, read_hash
from darkroom.build import escaped, literal
from darkroom.commands.checking.compose import Space, composed
from darkroom.commands.checking.probe import overrides_of
from darkroom.commands.child import run_python
from darkroom.commands.console import console
from darkroom.conditioning.auto import resolve
from darkroom.contracts import PictureSource
from darkroom.runs.checkpoint import step_of
from darkroom.runs.folder import Run

ROOT = Path(__file__).resolve().parents[3]
_SILENT = ("samples", "distribution", "first_batch")  # callbacks: all is measured afterwards, for each run alike


def token_side(resolution: int, factors: Sequence[int], tokens: int) -> int:
    """Pixels along the side of a token: the same for all, so that every denoiser has as many tokens.

    The smallest multiple of all ``factors`` that makes at most ``tokens`` of them, as far as ``resolution`` can be
    halved.
    """
    side = math.lcm(*factors)
    while (resolution // side) ** 2 > tokens and resolution % (2 * side) == 0:
        side *= 2
    return side


def recipe(run: Run, source: PictureSource, config: DictConfig, patch: int) -> DictConfig:
    """The training's config: the same for all runs but for data, first stage and the latents that a token covers."""
    steps = config.probing.steps
    asked = [
        f"max_steps={steps}",
        f"trainer.val_check_interval={steps}",
        f"seed={config.seed}",
        *overrides_of(config.probing.settings),
    ]
    silent = [f"callback.{name}=null" for name in _SILENT]
    overrides = ["experiment=probe", "logger=csv", *silent, "run_id=probe", *asked]
    training = composed(Space(ROOT / "conf", "train"), overrides).config
    with open_dict(training):
        training.experiment, training.resolution = "probe", run.config.resolution
        training.data = literal(OmegaConf.to_container(run.config.data, resolve=True))
        node = resolve(training.conditioner, source.split("train").captions, source.classes).node
        training.conditioner = literal(node)
        training.first_stage.path = escaped(str(run.path.resolve()))
        for key in ("network.patch", "network.inner.patch"):
            if OmegaConf.select(training, key) is not None:
                OmegaConf.update(training, key, patch)
    return training


def trained(run: Run, training: DictConfig, config: DictConfig) -> Run:
    """The denoiser that ``training`` describes, by a process of its own unless it is there already."""
    denoiser = Run(Path(config.probing.folder) / f"{run.id}-{_digest(run, training)}")
    newest = denoiser.loadable()
    if newest is not None and step_of(newest) == training.trainer.max_steps:
        console.print(f"{denoiser.path} is trained already", soft_wrap=True)
        return denoiser
    if not (denoiser.path / "config.yaml").exists():
        named = {"run_id": escaped(denoiser.id)}  # Weights & Biases tells runs apart by it
        denoiser.write_config(OmegaConf.merge(training, named))  # type: ignore[arg-type]  # of mappings it is one
    console.rule(f"training on {run.id}")
    packages = [f"packages=[{','.join(config.packages)}]"] if config.packages else []
    if code := run_python([str(ROOT / "train.py"), f"resume={denoiser.path}", *packages]):
        raise SystemExit(code)
    return Run(denoiser.path)


def _digest(run: Run, training: DictConfig) -> str:
    """Of all that decides the training; of the autoencoder its hash, wherever it lies."""
    training = training.copy()
    training.first_stage.path = read_hash(find_artifact(run.path))
    plain = OmegaConf.to_container(training, resolve=True, throw_on_missing=True)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]
