"""Power-function average of the weights (Karras et al. 2024, "Analyzing and Improving the Training Dynamics")."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from darkroom.runs.power_average import PowerAverage


class EMA(Callback):
    """Averages the trained weights of ``stage.model``; validation, samples and artifacts use the average.

    Args:
        sigma_rel: width of the average as a share of the training's length, below 0.28.
        every_n_steps: how often it moves. It also moves at each of the first ones, at the last and before a validation.
    """

    state_key = "EMA"

    def __init__(self, sigma_rel: float = 0.1, every_n_steps: int = 1):
        self._average = PowerAverage(sigma_rel)
        if every_n_steps < 1:
            raise ValueError(f"callback.ema.every_n_steps={every_n_steps} must be at least 1")
        self._every = every_n_steps
        self._live: list[Tensor] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._average.start(learning(model_of(pl_module)))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if step % self._every == 0 or step < self._every or step == trainer.max_steps:
            self._average.move(learning(model_of(pl_module)), step)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step:
            self._average.move(learning(model_of(pl_module)), trainer.global_step)
            self._put_average(model_of(pl_module))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._put_back(model_of(pl_module))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._put_back(model_of(pl_module))

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
        return self._average.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._average.load_state_dict(state_dict)

    @torch.no_grad()
    def _put_average(self, model: nn.Module) -> None:
        weights = list(learning(model).values())
        self._live = [weight.detach().clone() for weight in weights]
        torch._foreach_copy_(weights, list(self._average.weights.values()))

    @torch.no_grad()
    def _put_back(self, model: nn.Module) -> None:
        if self._live:
            torch._foreach_copy_(list(learning(model).values()), self._live)
            self._live = []


def model_of(stage: LightningModule) -> nn.Module:
    """What a stage trains."""
    model = stage.model
    assert isinstance(model, nn.Module)
    return model


def learning(model: nn.Module) -> dict[str, Tensor]:
    """What learns, by name; a frozen module inside is left alone."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


@contextmanager
def averaged(trainer: Trainer, pl_module: LightningModule) -> Iterator[None]:
    """Inside, the stage's model has the averaged weights, where the run keeps an average; else its own."""
    averages = [callback for callback in trainer.callbacks if isinstance(callback, EMA)]  # type: ignore[attr-defined]
    with averages[0].averaged(model_of(pl_module)) if averages else nullcontext():
        yield
