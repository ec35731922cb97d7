"""What every stage shares: an optimizer with its schedule, keys, and means of losses between two logs."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn

from darkroom.contracts import Batch, LatentBatch, PictureSource
from darkroom.keys import Keys, keys, module_seed
from darkroom.networks.state import differences
from darkroom.runs.trainer import log_every
from darkroom.stages.optimisation import LRSchedule, OptimizerFactory, parameter_groups, refuse_faulty


class Stage(LightningModule):
    """A thin LightningModule around ``model``: the one module that is trained, averaged by the EMA and saved.

    A subclass sets ``model``, answers the three methods below that raise here, and writes its validation. Gradients are
    clipped by the callback GradientNorm.
    """

    model: nn.Module

    def __init__(self, *, optimizer: OptimizerFactory, lr_schedule: LRSchedule, seed: int):
        super().__init__()
        refuse_faulty(optimizer)
        self.optimizer_factory = optimizer
        self.lr_schedule = lr_schedule
        self.seed = seed
        self._sums: dict[str, Tensor] = {}
        self._batches = 0
        self._rate = 0.0  # of the newest step

    def datamodule(self, source: PictureSource, *, batch_size: int, num_workers: int) -> LightningDataModule:
        """What feeds the training."""
        raise TypeError(f"{type(self).__name__} answers no datamodule")

    def compile_networks(self) -> None:
        """Compiles in place, which leaves the names of the weights as they are."""
        raise TypeError(f"{type(self).__name__} answers no compile_networks")

    def training_losses(self, batch: Any) -> Mapping[str, Tensor]:
        """The losses of a batch by name; the one called ``"loss"`` is minimised."""
        raise TypeError(f"{type(self).__name__} answers no training_losses")

    @property
    def metric_names(self) -> tuple[str, ...]:
        """What it logs; a subclass adds its own, so that a misspelt name to watch is known before the training."""
        return ("train/loss", "train/lr")

    def on_validation_start(self) -> None:
        """Without gradients a compiled network would be compiled anew, which costs more than a few batches gain."""
        torch.compiler.set_stance("eager_on_recompile")

    def on_validation_end(self) -> None:
        """Training goes on as it was compiled."""
        torch.compiler.set_stance("default")

    def on_train_start(self) -> None:
        """A run that is extended goes on at its new schedule's rate; the checkpoint has that of the old one's end."""
        schedule: Any = self.lr_schedulers()
        for group, rate in zip(schedule.optimizer.param_groups, schedule.base_lrs, strict=True):
            group["lr"] = rate * self.lr_schedule(schedule.last_epoch)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Notes the rate: Lightning has the schedule go on before a batch has ended."""
        self._rate = self.trainer.optimizers[0].param_groups[0]["lr"]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        # for what a network draws by itself, such as dropout; a resumed run counts its batches on
        torch.manual_seed(module_seed(seed=self.seed, purpose="network", step=batch_idx, rank=self.global_rank))
        losses = self.training_losses(batch)
        for name, value in losses.items():
            value = value.detach()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._batches += 1
        loss = losses["loss"]
        return loss * torch.where(loss.isfinite(), 1.0, torch.nan)  # of such a loss the gradient may look well

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Logs the means since the last log; in between nothing waits for the device."""
        ended = self._batches % self.trainer.accumulate_grad_batches == 0
        if ended and self.trainer.global_step % log_every(self.trainer) == 0:
            means = {name: value / self._batches for name, value in self._sums.items()}
            shared = self.trainer.world_size > 1
            self.log("train/loss", means.pop("loss"), prog_bar=True, sync_dist=shared)
            others = {f"train/{name}": value for name, value in means.items()}
            self.log_dict({**others, "train/lr": self._rate}, sync_dist=shared)
            self._sums, self._batches = {}, 0

    def keys(self, purpose: str, batch: Batch | LatentBatch) -> Keys:
        """One key a sample of a training batch: a function of the run's seed, the step and the place."""
        return keys(seed=self.seed, purpose=purpose, step=batch.step, places=batch.place).to(self.device)

    def validation_keys(self, purpose: str, batch: Batch | LatentBatch) -> Keys:
        """One key a validation picture, the same at every step: curves differ by the weights alone."""
        return keys(seed=self.seed, purpose=f"validation {purpose}", places=batch.index).to(self.device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Losses since the last log go along, those of every process, so that the next log is the same."""
        gather = self.trainer.strategy.all_gather
        sums = {name: gather(value).reshape(-1) for name, value in self._sums.items()}
        checkpoint["losses"] = {"sums": sums, "batches": self._batches, "a_step": self.trainer.accumulate_grad_batches}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Where batches are divided otherwise all take the mean: the next log is the same but for rounding.

        Raises ValueError where the weights are of another network than the config describes.
        """
        if faults := differences(self.state_dict(), checkpoint["state_dict"]):
            raise ValueError(f"the checkpoint's weights do not fit what the run's config.yaml builds: {faults}")
        losses, trainer = checkpoint["losses"], self.trainer
        more = trainer.accumulate_grad_batches / losses["a_step"]  # micro-batches a step; 1 changes no bit
        self._batches = round(losses["batches"] * more)
        for name, sums in losses["sums"].items():
            own = sums[trainer.global_rank] if len(sums) == trainer.world_size else sums.mean()
            self._sums[name] = (own * more).to(self.device)

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer_factory(parameter_groups(self.model))
        # a function, since of any other callable the state holds the attributes, and a longer run would lose its own
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self.lr_schedule(step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
