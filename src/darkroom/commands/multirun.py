"""What Hydra leaves of a sweep beside its runs."""

import atexit
import shutil
import tempfile
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, read_write


class Tidy(Callback):
    """Has Hydra's sweeper write its multirun.yaml into a temporary folder: each run has its config.yaml.

    In its place it would write over a file of that name. Each job is composed anew, with the folder that conf/hydra
    has.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002  Hydra's signature
        folder = tempfile.mkdtemp(prefix="darkroom-sweep-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # on_multirun_end is not called after a mistake
        with read_write(config):
            config.hydra.sweep.dir = folder
