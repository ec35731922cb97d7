"""Power-function average of the weights (Karras et al. 2024, "Analyzing and Improving the Training Dynamics")."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn


def power_exponent(sigma_rel: float) -> float:
    """gamma of the profile t^gamma whose width is ``sigma_rel`` of the training: 0.05 -> 16.97, 0.10 -> 6.94.

    The largest root of g^3 + 7 g^2 + (16 - s) g + 12 - s with s = sigma_rel^-2. Raises ValueError outside of
    0 .. 0.28, where no exponent is positive.
    """
    if not 0 < sigma_rel < 0.28:
        raise ValueError(f"callback.ema.sigma_rel={sigma_rel} must lie between 0 and 0.28; 0.05 to 0.15 are usual")
    s = sigma_rel**-2
    roots = np.roots([1, 7, 16 - s, 12 - s])
    return float(roots[np.isreal(roots)].real.max())


class EMA(Callback):
    """Averages the trained weights of ``stage.model``; validation, samples and artifacts use the average.

    After step n, average <- beta * average + (1 - beta) * weights with beta = (m/n)^(gamma + 1), where m is the step it
    was last moved at: the first time copies, so nothing has to be corrected for a start at zero.

    Args:
        sigma_rel: width of the average as a share of the training's length, below 0.28.
        every_n_steps: how often it moves. It also moves at each of the first ones, at the last and before a validation.
    """

    state_key = "EMA"

    def __init__(self, sigma_rel: float = 0.1, every_n_steps: int = 1):
        self._exponent = power_exponent(sigma_rel) + 1
        if every_n_steps < 1:
            raise ValueError(f"callback.ema.every_n_steps={every_n_steps} must be at least 1")
        self._every = every_n_steps
        self._average: dict[str, Tensor] = {}
        self._step = 0  # the average was last moved at
        self._live: list[Tensor] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        weights = _learning(_model(pl_module))
        start = self._average or weights
        self._average = {name: start[name].detach().to(weight).clone() for name, weight in weights.items()}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if step % self._every == 0 or step < self._every or step == trainer.max_steps:
            self._move(_model(pl_module), step)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step:
            self._move(_model(pl_module), trainer.global_step)
            self._put_average(_model(pl_module))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._put_back(_model(pl_module))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._put_back(_model(pl_module))

    @contextmanager
    def averaged(self, model: nn.Module) -> Iterator[None]:
        """Inside, ``model`` has the averaged weights; within a validation it has them already."""
        if self._live:
            yield
            return
        self._put_average(model)
        try:
            yield
        finally:
            self._put_back(model)

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self._average, "step": self._step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._average, self._step = dict(state_dict["weights"]), state_dict["step"]

    def _move(self, model: nn.Module, step: int) -> None:
        if step == self._step:  # accumulating, or moved by the step itself
            return
        weights = [weight.detach() for weight in _learning(model).values()]
        kept = (self._step / step) ** self._exponent
        torch._foreach_lerp_(list(self._average.values()), weights, 1 - kept)
        self._step = step

    @torch.no_grad()
    def _put_average(self, model: nn.Module) -> None:
        weights = list(_learning(model).values())
        self._live = [weight.detach().clone() for weight in weights]
        torch._foreach_copy_(weights, list(self._average.values()))

    @torch.no_grad()
    def _put_back(self, model: nn.Module) -> None:
        if self._live:
            torch._foreach_copy_(list(_learning(model).values()), self._live)
            self._live = []


def _model(stage: LightningModule) -> nn.Module:
    model = stage.model
    assert isinstance(model, nn.Module)
    return model


def _learning(model: nn.Module) -> dict[str, Tensor]:
    """What learns, by name; a frozen module inside is left alone."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


@contextmanager
def averaged(trainer: Trainer, pl_module: LightningModule) -> Iterator[None]:
    """Inside, the stage's model has the averaged weights, where the run keeps an average; else its own."""
    averages = [callback for callback in trainer.callbacks if isinstance(callback, EMA)]  # type: ignore[attr-defined]
    with averages[0].averaged(_model(pl_module)) if averages else nullcontext():
        yield
