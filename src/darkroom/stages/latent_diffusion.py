"""The second stage: a denoiser learns to develop noise into the latents of a first stage, under a condition."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from darkroom.contracts import FirstStage, LatentBatch, PictureSource, Posterior, to_uint8
from darkroom.data.latent_datamodule import LatentDataModule
from darkroom.diffusion.guidance import Guidance
from darkroom.diffusion.plan import SamplingPlan
from darkroom.diffusion.process import Process
from darkroom.generation.denoising import Denoising
from darkroom.generation.generator import Generator
from darkroom.metrics.means import MeanOverPictures
from darkroom.stages.base import Stage
from darkroom.stages.compilation import compile_regions
from darkroom.stages.optimisation import LRSchedule, OptimizerFactory
from darkroom.stages.rehearsal import rehearse


class MeanLoss(MeanOverPictures):
    """Mean of a loss that each picture has one of."""

    higher_is_better = False

    def update(self, losses: Float[Tensor, " b"]) -> None:
        """Adds pictures."""
        self.add(losses)


class LatentDiffusionStage(Stage):
    """Trains on cached latents; the first stage is at hand to decode samples, but no part of what is saved.

    Args:
        condition_dropout: share of the training samples that see the null condition, for classifier-free guidance.
        resolution: of the pictures that it learns to make, in pixels.
        latents: folder of the latent caches.
    """

    model: Denoising

    def __init__(
        self,
        *,
        name: Literal["latent_diffusion"],  # the folder of its runs
        first_stage: FirstStage,
        network: Callable[..., nn.Module],
        conditioner: Any,
        process: Process,
        sampler: SamplingPlan,
        guidance: Guidance | None,
        condition_dropout: float,
        resolution: int,
        latents: str,
        optimizer: OptimizerFactory,
        lr_schedule: LRSchedule,
        seed: int,
    ):
        super().__init__(optimizer=optimizer, lr_schedule=lr_schedule, seed=seed)
        sampler.check(process.schedule)
        if not 0 <= condition_dropout <= 1:
            raise ValueError(f"stage.condition_dropout={condition_dropout}: is a share, from 0 to 1")
        rehearse(network, first_stage.spec.shape(resolution), conditioner.spec)
        self.name = name
        self.model = Denoising(network=network, conditioner=conditioner, first_stage=first_stage)
        self.process, self.sampler, self.guidance = process, sampler, guidance
        self.condition_dropout = condition_dropout
        self.resolution = resolution
        self.latents = Path(latents)
        self._first_stage = (first_stage,)  # a tuple keeps a frozen module out of this one's parameters and state
        self.validation_loss = MeanLoss()

    @property
    def first_stage(self) -> FirstStage:
        """On this stage's device."""
        (first_stage,) = self._first_stage
        return first_stage.to(self.device) if isinstance(first_stage, nn.Module) else first_stage

    def datamodule(self, source: PictureSource, *, batch_size: int, num_workers: int) -> LatentDataModule:
        """Latents of ``source``, from the cache. Raises ValueError where its pictures are not of ``resolution``."""
        if source.resolution != self.resolution:
            raise ValueError(
                f"data.resolution={source.resolution}: the stage draws pictures of resolution={self.resolution}; "
                "give one resolution=N alone"
            )
        (first_stage,) = self._first_stage
        return LatentDataModule(
            first_stage, source, self.latents, batch_size=batch_size, seed=self.seed, num_workers=num_workers
        )

    def compile_networks(self) -> None:
        """Compiles in place, which leaves the names of the weights as they are."""
        compile_regions(self.model.network)

    @property
    def metric_names(self) -> tuple[str, ...]:
        return (*super().metric_names, "val/loss")

    def training_losses(self, batch: LatentBatch) -> Mapping[str, Tensor]:
        x0 = batch.posterior.sample(self.keys("posterior", batch))
        drop = self.keys("condition dropout", batch).bernoulli(self.condition_dropout)
        condition = self.model.conditioner(batch.prompts, drop=drop)
        losses = self.process.loss(self.model.network, x0, condition, self.keys("diffusion", batch))
        return {"loss": losses.mean()}

    def validation_step(self, batch: LatentBatch, batch_idx: int) -> None:
        x0 = batch.posterior.sample(self.validation_keys("posterior", batch))
        condition = self.model.conditioner(batch.prompts)
        losses = self.process.loss(self.model.network, x0, condition, self.validation_keys("diffusion", batch))
        self.validation_loss.update(losses)
        self.log("val/loss", self.validation_loss)

    def generator(self) -> Generator:
        """What draws with the weights as they stand, in the training's precision."""
        return Generator(
            model=self.model,
            process=self.process,
            first_stage=self.first_stage,
            plan=self.sampler,
            guidance=self.guidance,
            resolution=self.resolution,
            bf16=str(self.trainer.precision).startswith("bf16"),
        )

    @torch.inference_mode()
    def pictures(self, batch: LatentBatch, n: int) -> UInt8[Tensor, "n 3 H W"]:
        """What the network learns from, made visible: the first draws from the posteriors through the decoder."""
        first = Posterior(batch.posterior.mean[:n], batch.posterior.std[:n])
        latent: Float[Tensor, "n c h w"] = first.sample(self.keys("posterior", batch)[:n])
        return to_uint8(self.first_stage.decode(latent))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["first_stage_hash"] = self.first_stage.spec.hash

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        saved, given = checkpoint["first_stage_hash"], self.first_stage.spec.hash
        if saved != given:
            raise ValueError(
                f"first_stage.path leads to the artifact {given[:12]}, but this run was trained on {saved[:12]}; "
                "its own copy lies in the run's first_stage/"
            )
        super().on_load_checkpoint(checkpoint)
