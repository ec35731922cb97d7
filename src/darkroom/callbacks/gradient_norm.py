"""The gradient's norm, computed once a step for clipping and logging alike."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, get_total_norm
from torch.optim import Optimizer

from darkroom.callbacks.interval import Interval, log_every


class GradientNorm(Callback):
    """Clips the gradient of each optimizer to the norm ``max_norm`` and logs the norm before clipping.

    Logged as ``gradient_norm``; where a stage has several optimizers as ``gradient_norm/0`` and so on. With
    ``max_norm=None`` nothing is clipped, and the norm is computed only where it is logged. Raises ValueError where
    Lightning is told to clip as well.
    """

    def __init__(self, max_norm: float | None = 1.0) -> None:
        if max_norm is not None and max_norm <= 0:
            raise ValueError(f"max_norm={max_norm} of GradientNorm must be positive; null switches clipping off")
        self._max_norm = max_norm
        self._interval = Interval()
        self._norms: dict[int, Tensor] = {}  # by the optimizer's place

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.gradient_clip_val is not None and self._max_norm is not None:
            raise ValueError(
                f"trainer.gradient_clip_val={trainer.gradient_clip_val} would clip a second time;"
                " set max_norm of the callback GradientNorm instead"
            )

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Gradients are accumulated and unscaled by now."""
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        place = next((i for i, known in enumerate(trainer.optimizers) if known is optimizer), 0)
        if self._max_norm is not None:
            self._norms[place] = clip_grad_norm_(parameters, self._max_norm)
        elif (trainer.global_step + 1) % log_every(trainer) == 0:
            self._norms[place] = get_total_norm([p.grad for p in parameters if p.grad is not None])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._interval.is_over(trainer) and self._norms:
            single = len(trainer.optimizers) == 1
            pl_module.log_dict(
                {"gradient_norm" if single else f"gradient_norm/{i}": norm for i, norm in self._norms.items()}
            )
