"""What a measurement takes of a training's time, and whether it may take more."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from lightning.pytorch import Callback, LightningModule, Trainer


class Cost:
    """Adds up the seconds of a measurement beside those of the training, over all parts of a resumed run.

    ``bound`` is the share of the time up to now that it may take; None sets none. The first measurement, whose length
    nobody knows, and the last are made in any case. What is left out for it depends on the machine's speed, so that a
    run with a bound is not the same twice.
    """

    def __init__(self, bound: float | None) -> None:
        """Raises ValueError for a bound that is no share."""
        if bound is not None and not 0 < bound <= 1:
            raise ValueError(f"max_share={bound}: is a share of the training's time, above 0 and at most 1; or null")
        self._bound = bound
        self._spent = self._last = self._before = 0.0
        self._start = time.perf_counter()

    def start(self) -> None:
        """The training begins, or goes on."""
        self._start = time.perf_counter()

    def allows(self, trainer: Trainer) -> bool:
        """Whether one more as long as the last keeps to the bound, as the first process sees it; always at the end."""
        ends = trainer.global_step >= trainer.max_steps
        within = self._bound is None or ends or self._spent + self._last <= self._bound * self._elapsed()
        if allowed := trainer.strategy.broadcast(within):
            self._last = 0.0
        return allowed

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts what happens inside, as a part of the measurement that was allowed last."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - begun
            self._last += seconds
            self._spent += seconds

    @property
    def share(self) -> float:
        """Of the time up to now."""
        return self._spent / max(self._elapsed(), self._spent, 1e-9)

    def state_dict(self) -> dict[str, Any]:
        return {"spent": self._spent, "last": self._last, "elapsed": self._elapsed()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._spent, self._before = state["spent"], state["elapsed"]
        self._last = state.get("last", 0.0)  # checkpoints of before have none

    def _elapsed(self) -> float:
        return self._before + time.perf_counter() - self._start


class Costly(Callback):
    """A callback that counts what it does by ``self._cost``, which checkpoints keep, and logs it as ``share_name``.

    ``max_share`` bounds that share; see :class:`Cost`.
    """

    share_name: ClassVar[str]

    def __init__(self, max_share: float | None) -> None:
        """Raises ValueError for a bound that is no share."""
        self._cost = Cost(max_share)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._cost.start()

    def state_dict(self) -> dict[str, Any]:
        return {"cost": self._cost.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._cost.load_state_dict(state_dict["cost"])

    def _log(self, trainer: Trainer, pl_module: LightningModule, values: Mapping[str, float]) -> None:
        """``values`` and the share; to be called by all processes."""
        shared = trainer.world_size > 1  # all have the same, but Lightning would warn
        pl_module.log_dict({**values, self.share_name: self._cost.share}, sync_dist=shared)
