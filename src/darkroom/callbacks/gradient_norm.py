"""The gradient's norm, computed once a step for clipping and logging alike."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

from darkroom.callbacks.interval import Interval


class GradientNorm(Callback):
    """Clips the gradient of each optimizer to the norm ``max_norm`` and logs the norm before clipping.

    Logged as ``gradient_norm``; where a stage has several optimizers as ``gradient_norm/0`` and so on. With
    ``max_norm=None`` nothing is clipped.
    """

    def __init__(self, max_norm: float | None = 1.0) -> None:
        if max_norm is not None and max_norm <= 0:
            raise ValueError(f"max_norm={max_norm} of GradientNorm must be positive; null switches clipping off")
        self._max_norm = max_norm
        self._interval = Interval()
        self._norms: dict[int, Tensor] = {}  # by the optimizer's place

    @property
    def metric_names(self) -> tuple[str, ...]:
        """What it logs for a stage of one optimizer."""
        return ("gradient_norm",)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.refuse(trainer, pl_module)

    def refuse(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises ValueError where Lightning is told to clip as well."""
        if trainer.gradient_clip_val is not None and self._max_norm is not None:
            raise ValueError(
                f"trainer.gradient_clip_val={trainer.gradient_clip_val} would clip a second time;"
                " set max_norm of the callback GradientNorm instead"
            )

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Gradients are accumulated and unscaled by now."""
        norm = _total(optimizer)
        self._norms[_place(trainer, optimizer)] = norm
        if self._max_norm is not None and not (norm.device.type == "cpu" and norm <= self._max_norm):
            clip_grads_with_norm_(_parameters(optimizer), self._max_norm, norm)  # on a GPU, to ask first would wait

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._interval.is_over(trainer) and self._norms:
            single = len(trainer.optimizers) == 1
            pl_module.log_dict(
                {"gradient_norm" if single else f"gradient_norm/{i}": norm for i, norm in self._norms.items()}
            )

    def norm(self, trainer: Trainer, optimizer: Optimizer) -> Tensor:
        """Of the present step, once ``on_before_optimizer_step`` has been here."""
        return self._norms[_place(trainer, optimizer)]


def gradient_norm(trainer: Trainer, optimizer: Optimizer) -> Tensor:
    """The norm before clipping: as GradientNorm took it, where the run has that callback (above the one that asks)."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]  # Lightning sets it from another class
    known = next((callback for callback in callbacks if isinstance(callback, GradientNorm)), None)
    return _total(optimizer) if known is None else known.norm(trainer, optimizer)


def _place(trainer: Trainer, optimizer: Optimizer) -> int:
    return next((i for i, known in enumerate(trainer.optimizers) if known is optimizer), 0)


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]


def _total(optimizer: Optimizer) -> Tensor:
    return get_total_norm([p.grad for p in _parameters(optimizer) if p.grad is not None])
