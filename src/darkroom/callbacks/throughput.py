"""Speed of a training: pictures a second, waiting for data, peak memory, and the share of the machine that is used."""

# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.profilers import PassThroughProfiler, Profiler
from torch.utils.flop_counter import FlopCounterMode

from darkroom.callbacks.interval import Interval
from darkroom.runs.machine import compute_dtype, matmul_rate, peak_memory

_FETCH = "[_TrainingEpochLoop].train_dataloader_next"  # Lightning's name for waiting for the next batch


class _Waiting(Profiler):
    """Adds up the seconds that the training loop waits for its next batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._since = 0.0

    def start(self, action_name: str) -> None:
        if action_name == _FETCH:
            self._since = time.perf_counter()

    def stop(self, action_name: str) -> None:
        if action_name == _FETCH:
            self.seconds += time.perf_counter() - self._since


class Throughput(Callback):
    """Logs, over the steps since the last logging and without the time of validations in between:

    - ``speed/pictures_per_second``, of all devices, and ``speed/step_seconds``;
    - ``speed/data_wait``: the share of the time in which the loop waited for its next batch;
    - ``speed/peak_memory_gb``: of the GPU's tensors, or of the process on a CPU;
    - ``speed/mfu``: FLOP/s of the training step as a share of the device's measured rate of matrix products.

    The FLOPs are counted in the very first training step as it runs (matrix products and convolutions, forward and
    backward), and kept in the checkpoint, so that a resumed run does not count, and compute, differently; per picture,
    so that it may divide its batch otherwise.
    Between loggings it adds numbers in Python: no synchronisation, no tensor.
    """

    def __init__(self) -> None:
        self._flops: float | None = None  # of one picture
        self._counter: FlopCounterMode | None = None
        self._interval = Interval()
        self._waiting: _Waiting | None = None
        self._validation_start = 0.0
        self._reset()

    @property
    def metric_names(self) -> tuple[str, ...]:
        """What it logs; the waiting for data only where no ``trainer.profiler`` is given."""
        names = ("pictures_per_second", "step_seconds", "data_wait", "peak_memory_gb", "mfu")
        return tuple(f"speed/{name}" for name in names)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        profiler = trainer.profiler  # type: ignore[attr-defined]  # Lightning sets it from another class
        if stage == "fit" and isinstance(profiler, PassThroughProfiler):  # else the user profiles
            self._waiting = trainer.profiler = _Waiting()  # type: ignore[attr-defined]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._peak = matmul_rate(pl_module.device, compute_dtype(str(trainer.precision)))
        self._slow_steps = (
            2  # not measured: one counts, touches memory first; under its mode torch.compile waits for two
        )
        self._reset()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self._flops is None and self._counter is None:
            self._counter = FlopCounterMode(display=False)
            self._counter.__enter__()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._counter is not None:
            self._flops = self._stop_counting() / len(batch)
        if self._slow_steps:
            self._slow_steps -= 1
            self._reset()
            return
        self._batches += 1
        self._pictures += len(batch)
        if self._interval.is_over(trainer):
            pl_module.log_dict(self._measure(trainer, pl_module))
            self._reset()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self._counter is not None:
            self._stop_counting()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validation_start = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._pause += time.perf_counter() - self._validation_start

    def state_dict(self) -> dict[str, Any]:
        return {"flops_per_picture": self._flops}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._flops = state_dict.get("flops_per_picture")  # earlier checkpoints have those of a batch: counted anew

    def _measure(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
        seconds = time.perf_counter() - self._start - self._pause
        steps = self._batches / trainer.accumulate_grad_batches
        values = {
            "speed/pictures_per_second": self._pictures * trainer.world_size / seconds,
            "speed/step_seconds": seconds / steps,
            "speed/peak_memory_gb": peak_memory(pl_module.device) / 1e9,
        }
        if self._flops:
            values["speed/mfu"] = self._flops * self._pictures / seconds / self._peak
        if self._waiting is not None:
            values["speed/data_wait"] = self._waiting.seconds / seconds
        return values

    def _stop_counting(self) -> int:
        """FLOPs since the counting began."""
        assert self._counter is not None
        self._counter.__exit__(None, None, None)
        flops: int = self._counter.get_total_flops()
        self._counter = None
        return flops

    def _reset(self) -> None:
        self._start = time.perf_counter()
        self._pause = 0.0
        self._batches = self._pictures = 0
        if self._waiting is not None:
            self._waiting.seconds = 0.0
