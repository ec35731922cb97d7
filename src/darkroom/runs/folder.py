"""A run is a folder: config.yaml, summary.json, metrics.csv, checkpoints/, samples/, first_stage/, ema/, wandb/."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from darkroom.build import literal
from darkroom.files import reading, write_text
from darkroom.runs.checkpoint import is_intact, whole_checkpoints

_CONFIG, _SUMMARY, _BEST = "config.yaml", "summary.json", "best.json"


@dataclass(frozen=True)
class Run:
    """The one place that knows where a run keeps what. Nothing is read before it is asked for."""

    path: Path

    @cached_property
    def config(self) -> DictConfig:
        """The config that made the run, resolved and complete."""
        config = OmegaConf.load(self.path / _CONFIG)
        if not isinstance(config, DictConfig):
            raise ValueError(f"{self.path / _CONFIG} is not a mapping; it was not written by train.py")
        return config

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def stage(self) -> str:
        """``autoencoder`` or ``latent_diffusion``: the module of its stage, so that a run may be moved anywhere."""
        return self.config.stage._target_.split(".")[-2]

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def snapshots(self) -> Path:
        """Of its averages, where it keeps them."""
        return self.path / "ema"

    @property
    def first_stage(self) -> Path:
        """The artifact: an autoencoder's own, or the copy that a diffusion run keeps."""
        return self.path / "first_stage"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def summary_file(self) -> Path:
        return self.path / _SUMMARY

    @property
    def summary(self) -> dict[str, Any]:
        """Final metrics and facts, flat; empty before the first was written. Raises ValueError where it is damaged."""
        return _read(self.summary_file, "copy it again, or remove it") or {}

    def failure(self, step: int, rank: int) -> Path:
        """Where a process keeps a batch that broke the training (``darkroom.runs.failure``)."""
        return self.path / f"failure-{step:08d}-{rank}.pt"

    def latest(self) -> Path | None:
        """The newest whole checkpoint; None before the first, where training starts again from step 0."""
        return next(reversed(whole_checkpoints(self.checkpoints)), None)

    def loadable(self) -> Path | None:
        """:meth:`latest`, but for damaged ones, each of which is named and passed over; reads all of the file.

        Raises ValueError where all are damaged: a training that began again at step 0 would write over what is there.
        """
        whole = whole_checkpoints(self.checkpoints)
        newest = next(filter(is_intact, reversed(whole)), None)
        if whole and newest is None:
            raise ValueError(f"{self.checkpoints}: what it holds is damaged; copy the run again, or begin a new one")
        return newest

    def best(self) -> Path | None:
        """The checkpoint with the best validation, where the run watches a metric; else the newest."""
        record = self.best_record
        if record is not None:
            path = self.checkpoints / record["checkpoint"]
            if path in whole_checkpoints(self.checkpoints):
                return path
        return self.latest()

    @property
    def best_record(self) -> dict[str, Any] | None:
        """Name, metric and value of the best checkpoint so far, as :meth:`write_best` left it.

        Raises ValueError where that is damaged: without it the best checkpoint would be removed as an old one.
        """
        remedy = "copy it again, or remove it, and the best is looked for among what comes"
        return _read(self.checkpoints / _BEST, remedy)

    def trained(self, which: Literal["latest", "best"] = "latest") -> Path:
        """:meth:`loadable`, or :meth:`best` where that is not damaged; raises FileNotFoundError where there is none."""
        best = self.best() if which == "best" else None
        path = best if best is not None and is_intact(best) else self.loadable()
        if path is None:
            raise FileNotFoundError(f"{self.path} has no whole checkpoint yet; go on with resume={self.path}")
        return path

    def write_best(self, path: Path, metric: str, value: float) -> None:
        """Remember ``path`` as the best checkpoint."""
        record = {"checkpoint": path.name, "metric": metric, "value": value}
        write_text(self.checkpoints / _BEST, json.dumps(record, indent=2) + "\n")

    def write_config(self, config: DictConfig) -> None:
        """Write config.yaml: resolved, complete, without Hydra's own node; a ``${`` in a text stays a text.

        Raises omegaconf's errors where a value is missing or an interpolation leads nowhere.
        """
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        assert isinstance(plain, dict)
        plain.pop("hydra", None)
        write_text(self.path / _CONFIG, OmegaConf.to_yaml(OmegaConf.create(literal(plain))))


def _read(path: Path, remedy: str) -> dict[str, Any] | None:
    """What the JSON file holds; None where there is none."""
    with reading(path, remedy):
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def find_run(path: Path | str) -> Run:
    """The run in the folder ``path``; raises FileNotFoundError that says what is wrong with it."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no run {path}; runs lie in logs/<stage>/<run id>")
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is a file, not the folder of a run; give the folder that holds config.yaml")
    if not (path / _CONFIG).is_file():
        inner = sorted(path.glob(f"*/{_CONFIG}"))
        hint = f"did you mean {inner[-1].parent}?" if inner else "give a folder logs/<stage>/<run id>"
        raise FileNotFoundError(f"{path} is no run: it has no {_CONFIG}; {hint}")
    return Run(path)
