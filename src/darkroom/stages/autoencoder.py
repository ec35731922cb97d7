"""The first stage: an autoencoder learns to turn pictures into small latents and back."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from collections.abc import Mapping
from typing import Literal

from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torchmetrics import MetricCollection

from darkroom.autoencoding.augmentation import Augmentation
from darkroom.autoencoding.loss.total import Loss
from darkroom.autoencoding.model import Autoencoder
from darkroom.contracts import Batch, PictureSource, to_float, to_uint8
from darkroom.data.datamodule import DataModule
from darkroom.metrics.paired import MeanPSNR, MeanSSIM, bicubic_roundtrip
from darkroom.stages.base import Stage
from darkroom.stages.optimisation import LRSchedule, OptimizerFactory


class AutoencoderStage(Stage):
    """Trains on a draw from the posterior, validates on its mean: PSNR and SSIM of 8-bit pictures, over the whole set.

    Beside them stand those of bicubic down- and up-sampling by the same factor, which keeps three numbers a place: an
    autoencoder that does not beat them has learnt nothing that is worth its weights.
    """

    model: Autoencoder

    def __init__(
        self,
        *,
        name: Literal["autoencoder"],  # the folder of its runs
        model: Autoencoder,
        loss: Loss,
        optimizer: OptimizerFactory,
        lr_schedule: LRSchedule,
        seed: int,
        augmentation: Augmentation | None = None,
    ):
        super().__init__(optimizer=optimizer, lr_schedule=lr_schedule, seed=seed)
        self.name = name
        self.model = model
        self.loss = loss
        self.augmentation = augmentation
        self.metrics = MetricCollection({"psnr": MeanPSNR(), "ssim": MeanSSIM()}, prefix="val/")
        self.bicubic = MetricCollection({"psnr": MeanPSNR(), "ssim": MeanSSIM()}, prefix="val/bicubic_")
        self._bicubic_values: dict[str, Tensor] = {}  # no weight enters: measured once

    def datamodule(self, source: PictureSource, *, batch_size: int, num_workers: int) -> DataModule:
        """The pictures themselves; raises ValueError where their size is no multiple of the autoencoder's factor."""
        self.model.latent_spec().shape(source.resolution)
        return DataModule(
            source.split("train"),
            source.split("validation"),
            batch_size=batch_size,
            seed=self.seed,
            num_workers=num_workers,
        )

    def compile_networks(self) -> None:
        """Compiles in place, which leaves the names of the weights as they are."""
        for part in (self.model.encoder, self.model.decoder):
            assert isinstance(part, nn.Module)
            part.compile()

    @property
    def metric_names(self) -> tuple[str, ...]:
        terms = (f"train/{name}" for name in self.loss.terms)
        return (*super().metric_names, *terms, *map(str, self.metrics), *map(str, self.bicubic))

    def training_losses(self, batch: Batch) -> Mapping[str, Tensor]:
        picture = self._augmented(batch)
        reconstruction, posterior = self.model(picture, self.keys("posterior", batch))
        values = self.loss(picture, reconstruction, posterior)
        return {"loss": values.total, **values.terms}

    def _augmented(self, batch: Batch) -> Float[Tensor, "b 3 H W"]:
        """What of a training batch is encoded, and asked back."""
        if self.augmentation is None:
            return batch.picture
        return self.augmentation(batch.picture, self.keys("augmentation", batch))

    def pictures(self, batch: Batch, n: int) -> UInt8[Tensor, "n 3 H W"]:
        """The first of a training batch as the network sees them."""
        return to_uint8(self._augmented(batch)[:n])

    def validation_step(self, batch: Batch, batch_idx: int) -> UInt8[Tensor, "b 3 H W"]:
        """Answers the reconstructions, for callbacks that look at them."""
        again = self.reconstruct(batch.image)
        self.metrics.update(batch.image, again)
        if not self._bicubic_values:
            self.bicubic.update(batch.image, bicubic_roundtrip(batch.image, self.model.factor))
        self.log_dict(self.metrics)
        return again

    def on_validation_epoch_end(self) -> None:
        """Logs bicubic's values, which the first whole validation of this process has found."""
        values = self._bicubic_values or self.bicubic.compute()
        if not self.trainer.sanity_checking:
            self._bicubic_values = values
        self.bicubic.reset()
        self.log_dict(values, sync_dist=self.trainer.world_size > 1)  # equal in all of them

    def reconstruct(self, image: UInt8[Tensor, "b 3 H W"]) -> UInt8[Tensor, "b 3 H W"]:
        """Through the posterior's mean and back."""
        reconstruction: Float[Tensor, "b 3 H W"] = self.model(to_float(image))[0]
        return to_uint8(reconstruction)
