"""Weights & Biases: online where there is a key, offline without asking where there is none."""

import logging
import math
import os
import shlex
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from jaxtyping import UInt8
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch import Tensor
from wandb.errors import AuthenticationError, CommError, UsageError

from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import read_metrics
from darkroom.runs.wandb_pieces import offline_pieces, read_piece

_STEP = "trainer/global_step"
_TO_BEGIN = 30.0  # seconds that W&B has to answer, or the run is offline; WANDB_INIT_TIMEOUT sets another time
_TO_END = 60.0  # seconds that it has to take what is left, while a GPU waits; WANDB_FINISH_TIMEOUT sets another time
_FOR_EVER = 1_000_000  # attempts, a minute apart; W&B's own 125 give up after two hours, and for good

_log = logging.getLogger(__name__)


class WandbRun(WandbLogger):
    """Lightning's logger, quiet and light, with its files in the run folder and its ``run_id`` as W&B's.

    Every record carries the number of optimizer steps done as its step: what is logged at one step becomes one row.

    A run that was killed has lost what W&B had not written yet, offline up to 32 kB, and a resumed one repeats steps.
    So the first record of a resumed run is preceded by what metrics.csv holds and W&B does not, and what an earlier
    piece of an offline run holds is not logged again: read in order, the pieces hold each metric and step once. Online
    W&B itself takes no step that it has. Pictures that a kill took are in ``samples/`` alone.

    A network that is lost costs the training nothing: W&B's own process writes all into the run folder first, and sends
    it when it can. Only the beginning and the end wait for an answer, so long and no longer.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        project: str = "darkroom",
        entity: str | None = None,  # a team; None is the user's own
        group: str | None = None,  # runs to show together
    ) -> None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        quiet = wandb.Settings(
            silent=True,  # what to do next is said once, by how_to_look
            console="off",  # capturing the terminal costs time and makes a mess of a progress bar
            disable_git=True,  # summary.json has the commit
            disable_code=True,
            x_disable_stats=True,  # a sampler of system metrics would take time from a training on few cores
            init_timeout=float(os.environ.get("WANDB_INIT_TIMEOUT", _TO_BEGIN)),
            finish_timeout=float(os.environ.get("WANDB_FINISH_TIMEOUT", _TO_END)),
            finish_timeout_raises=True,
            x_file_stream_retry_max=_FOR_EVER,
            x_file_transfer_retry_max=_FOR_EVER,
        )
        super().__init__(
            name=folder.name,
            id=_id(folder),
            save_dir=folder,
            project=project,
            entity=entity,
            group=group,
            mode=_mode(),
            settings=quiet,
        )
        self._wandb_init.pop("anonymous", None)  # Lightning passes it, W&B warns of it
        self._folder = folder
        self._earlier = offline_pieces(folder)
        self._held: frozenset[tuple[str, int]] | None = None  # metric and step in earlier pieces; None: not yet read

    @property
    def experiment(self) -> Any:
        """W&B's own run, which begins when it is first asked for: offline where W&B cannot be reached."""
        if self._experiment is None:
            try:
                return super().experiment
            except (CommError, TimeoutError) as error:
                words = " ".join(str(error).split())
                _log.warning("Weights & Biases is not reached, so this run is offline: %s", words)
                wandb.teardown()  # the process that tried holds the run's id
                self._wandb_init["mode"] = "offline"
        return super().experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """``step`` as Lightning counts it: of the last step, from 0. Values are kept in float32, as in metrics.csv."""
        values = {name: float(np.float32(value)) for name, value in metrics.items() if name != "epoch"}
        self._record(values, (step or 0) + 1)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """The resolved config, nested as it is."""
        self.experiment.config.update(params if isinstance(params, dict) else vars(params), allow_val_change=True)

    @rank_zero_only
    def log_pictures(
        self, name: str, pictures: UInt8[Tensor, "n 3 H W"], captions: Sequence[str] | None, step: int
    ) -> None:
        """``step`` is the number of optimizer steps done."""
        arrays = pictures.permute(0, 2, 3, 1).cpu().numpy()
        texts = captions if captions is not None else [None] * len(arrays)
        self._record({name: [_image(array, text) for array, text in zip(arrays, texts, strict=True)]}, step)

    @rank_zero_only
    def log_evaluation(self, values: Mapping[str, float | str]) -> None:
        """What a run turned out to be worth: ``evaluation/<name>`` in its summary.

        The last values of the training go there again, for a piece that is uploaded by itself.
        """
        self._held = frozenset()  # nothing of the training is logged from here
        last: dict[str, float] = {}
        for row in read_metrics(Run(self._folder).metrics):
            last |= _values(row)
        self.experiment.summary.update(last | {f"evaluation/{name}": value for name, value in values.items()})

    @rank_zero_only
    def close(self) -> None:
        """Write what is left and end W&B's process; nothing can be logged afterwards."""
        if self._experiment is None:
            return
        self._catch_up()  # a run that was killed in its last moments has no record left to make
        try:
            self._experiment.finish()
        except TimeoutError:
            piece = Path(self._experiment.dir).parent
            # without --no-skip-online W&B passes over a run that began online
            command = shlex.join(["wandb", "sync", "--no-skip-online", str(piece)])
            _log.warning("Weights & Biases has not taken all; it is kept, and uploaded by: %s", command)

    def _record(self, values: Mapping[str, Any], step: int) -> None:
        self._catch_up(step)
        assert self._held is not None
        values = {name: value for name, value in values.items() if (name, step) not in self._held}
        if values:
            self.experiment.log({**values, _STEP: step}, step=step)

    def _catch_up(self, before: float = math.inf) -> None:
        """Once: log what metrics.csv holds of steps below ``before`` and W&B does not."""
        if self._held is not None:
            return
        self._held = frozenset().union(*map(_held, self._earlier if self.experiment.offline else ()))
        for row in read_metrics(Run(self._folder).metrics):
            if int(row["step"]) < before:
                self._record(_values(row), int(row["step"]))


def _held(piece: Path) -> set[tuple[str, int]]:
    """Every metric with its step in a piece."""
    return {(name.removesuffix(".filenames"), int(row[_STEP])) for row in read_piece(piece) for name in row}


def _values(row: Mapping[str, str]) -> dict[str, float]:
    """A row of metrics.csv as it was logged."""
    return {name: float(np.float32(text)) for name, text in row.items() if text and name != "step"}


def _id(folder: Path) -> str:
    """What config.yaml says, so that a run whose folder was renamed goes on as the same; of a new run the folder's."""
    try:
        return Run(folder).config.get("run_id") or folder.name
    except FileNotFoundError:  # it is written once all of the run is built
        return folder.name


def _mode() -> str | None:
    """``offline`` where W&B has no key and would ask for one; None leaves it to W&B's own settings.

    Raises ValueError for a key that cannot be one.
    """
    rank = rank_zero_only.rank  # type: ignore[attr-defined]
    if os.environ.get("WANDB_MODE") or rank != 0:
        return None
    try:
        return None if wandb.login(prompt=False, verify=False) else "offline"
    except (AuthenticationError, UsageError) as error:
        words = " ".join(str(error).split()).rstrip(".")
        raise ValueError(f"Weights & Biases: {words}; mend WANDB_API_KEY, or set WANDB_MODE=offline") from error


def _image(array: np.ndarray, caption: str | None) -> wandb.Image:
    return wandb.Image(array, caption=caption, file_type="png")
