"""What Hydra leaves of a sweep beside its runs."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig


class Tidy(Callback):
    """Removes the multirun.yaml that Hydra's sweeper writes before the first job: each run has its config.yaml."""

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002  Hydra's signature
        if config.hydra.mode == RunMode.MULTIRUN:
            Path(config.hydra.sweep.dir, "multirun.yaml").unlink(missing_ok=True)
