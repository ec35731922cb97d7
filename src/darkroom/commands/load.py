"""A trained run as something that reconstructs and draws pictures, on the GPU where there is one."""

from typing import Any, Literal

import torch
from omegaconf import DictConfig

from darkroom.autoencoding.first_stage import ArtifactFirstStage, Identity, load_artifact
from darkroom.build import build
from darkroom.commands.checking.trained import moved
from darkroom.contracts import PictureSource
from darkroom.generation.denoising import Denoising
from darkroom.generation.generator import Generator
from darkroom.networks.state import differences
from darkroom.runs.checkpoint import step_of
from darkroom.runs.folder import Run
from darkroom.runs.machine import multiplies_bf16
from darkroom.runs.posthoc import posthoc_average
from darkroom.runs.weights import trained_weights


def device() -> torch.device:
    """Where commands compute."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_first_stage(run: Run) -> ArtifactFirstStage | Identity:
    """The run's own first stage, which may have moved with it; raises FileNotFoundError where it has none."""
    own = run.first_stage.exists() or run.stage == "autoencoder"
    first_stage = load_artifact(run.path) if own else build(run.config.first_stage)
    return first_stage.to(device())


def load_generator(
    run: Run,
    first_stage: ArtifactFirstStage | Identity,
    *,
    checkpoint: Literal["latest", "best"] = "latest",
    ema: float | None = None,
    sampler: Any = None,
    guidance: Any = None,
    tower: str | None = None,
) -> Generator:
    """What draws with the run's averaged weights; ``sampler`` and ``guidance`` are nodes in place of its own.

    ``ema``: width of another average, made of the run's snapshots (:func:`posthoc_average`).
    ``tower``: where the file of its frozen text tower lies now.

    Raises ValueError for a run of another kind, a first stage or a text tower that it was not trained on, weights of
    another network than its config.yaml describes, or a sampler that the run's process forbids.
    """
    config = run.config
    if run.stage != "latent_diffusion":
        raise ValueError(f"run={run.path} trained the stage {run.stage}, which draws no pictures from noise")
    conditioner = moved(config.conditioner, tower)
    model = Denoising(network=build(config.network), conditioner=build(conditioner), first_stage=first_stage)
    path = run.trained(checkpoint)
    weights = trained_weights(path, first_stage=first_stage.spec.hash)
    if ema is not None:
        weights |= posthoc_average(run, ema, step_of(path)).weights
    if faults := differences(model.state_dict(), weights):
        raise ValueError(f"{path}: its weights do not fit what {run.path / 'config.yaml'} builds: {faults}")
    model.load_state_dict(weights)
    process = build(config.process)
    plan = build(sampler or config.sampler)
    plan.check(process.schedule)
    node = guidance or config.guidance
    return Generator(
        model=model.requires_grad_(False).eval().to(device()),
        process=process,
        first_stage=first_stage,
        plan=plan,
        guidance=build(node) if node else None,
        resolution=config.resolution,
        bf16=str(config.trainer.precision).startswith("bf16") and multiplies_bf16(device()),
    )


def load_source(config: DictConfig) -> PictureSource:
    """The pictures that a run was trained on."""
    return build(config.data)
