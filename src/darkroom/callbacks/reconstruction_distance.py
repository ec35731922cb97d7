"""How far reconstructions of all validation pictures are from these, in the features of a pretrained network."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

import logging
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import UInt8
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from darkroom.callbacks.cost import Costly
from darkroom.callbacks.gathering import gathered
from darkroom.callbacks.interval import is_due
from darkroom.contracts import PictureSource
from darkroom.metrics.distances import FEW, LEAST
from darkroom.metrics.extractor import FeatureExtractor, features
from darkroom.metrics.frechet import frechet_distance
from darkroom.metrics.moments import moments
from darkroom.metrics.titles import title

_log = logging.getLogger(__name__)


@runtime_checkable
class Reconstructs(Protocol):
    """A stage whose validation step answers what it makes of the pictures."""

    def reconstruct(self, image: UInt8[Tensor, "b 3 H W"]) -> UInt8[Tensor, "b 3 H W"]: ...


class ReconstructionDistance(Costly):
    """Logs ``val/rfd_<extractor>`` at validations: reconstructions against the very pictures that they are of.

    For stages that reconstruct; ``speed/reconstruction_distance_share`` is the share of the training's time that it
    took.

    Args:
        extractor: of the features; None measures nothing.
        every_n_validations: validations from one measurement to the next; the last step is always measured.
        max_share: bound on that share; see :class:`Cost`.
    """

    share_name = "speed/reconstruction_distance_share"

    def __init__(
        self, *, extractor: FeatureExtractor | None, every_n_validations: int = 1, max_share: float | None = None
    ) -> None:
        super().__init__(max_share)
        self._extractor, self._every = extractor, every_n_validations
        self._measures = False
        self._index: list[Tensor] = []
        self._rows: list[Tensor] = []  # features of pictures beside those of their reconstructions

    @property
    def metric_names(self) -> tuple[str, ...]:
        """What it logs."""
        if self._extractor is None:
            return ()
        return (f"val/{title('rfd', self._extractor)}", self.share_name)

    def refuse_few(self, stage: LightningModule, source: PictureSource) -> None:
        """Raises ValueError where there are too few validation pictures for a distance."""
        if self._extractor is None or not isinstance(stage, Reconstructs):
            return
        if (n := len(source.split("validation"))) < LEAST["fd"]:
            raise ValueError(
                f"the validation split has {n} picture, and the distance of reconstructions by extractor= wants "
                f"{LEAST['fd']}; keep more of them out of training, or set callback.reconstruction_distance=null"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        if self._extractor is not None and isinstance(pl_module, Reconstructs) and trainer.is_global_zero:
            n = len(trainer.datamodule.validation)  # type: ignore[attr-defined]
            if n < FEW:
                _log.warning(
                    "callback.reconstruction_distance: %d validation pictures; under %d a distance tells their number "
                    "as well, so that it is to be compared with those of the same pictures alone",
                    *(n, FEW),
                )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        limit = trainer.limit_val_batches  # of a part the distance would be another
        whole = isinstance(limit, float) and limit == 1.0  # the share; an int counts batches, and 1 is a single one
        wanted = self._extractor is not None and not trainer.sanity_checking and whole
        self._measures = wanted and is_due(trainer, self._every) and self._cost.allows(trainer)
        self._index, self._rows = [], []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if not self._measures or not isinstance(outputs, Tensor):
            return
        assert self._extractor is not None
        with self._cost.counted():
            extractor = self._extractor.to(pl_module.device)
            self._index.append(batch.index.cpu())
            self._rows.append(torch.cat([features(extractor, [each]) for each in (batch.image, outputs)], dim=1))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self._rows:
            return
        assert self._extractor is not None
        with self._cost.counted():
            n = len(trainer.datamodule.validation)  # type: ignore[attr-defined]
            rows = gathered(trainer, torch.cat(self._index), torch.cat(self._rows), n)
            real, again = (moments(each) for each in rows.chunk(2, dim=1))
            value = max(0.0, frechet_distance(again, real))
        self._log(trainer, pl_module, {f"val/{title('rfd', self._extractor)}": value})
