"""A small house of its own: a conf tree with the real trainers, optimizers and schedules, and two experiments."""

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from darkroom.autoencoding.artifact import FILES as FILES_OF_ARTIFACT
from darkroom.autoencoding.artifact import hash_of

REAL = Path(__file__).resolve().parents[2] / "conf"
FILES = {
    "train.yaml": """
        defaults:
          - _self_
          - stage: null
          - data: shapes
          - first_stage: null
          - optimizer: adamw
          - lr_schedule: cosine
          - trainer: default
          - logger: csv
          - hydra: default
          - experiment: null
        experiment: null
        seed: 0
        resolution: 64
        batch_size: 64
        max_steps: ???
        num_workers: 0
        compile: false
        resume: null
        init: null
        logs: logs
        run_id: ???
        """,
    "stage/autoencoder.yaml": """
        _target_: darkroom.stages.autoencoder.AutoencoderStage
        name: autoencoder
        """,
    "stage/latent_diffusion.yaml": """
        _target_: darkroom.stages.latent_diffusion.LatentDiffusionStage
        name: latent_diffusion
        first_stage: ${first_stage}
        """,
    "data/shapes.yaml": """
        _target_: darkroom.data.shapes.source.Shapes
        resolution: ${resolution}
        """,
    "data/image_folder.yaml": """
        _target_: darkroom.data.image_folder.ImageFolder
        root: ???  # a folder of pictures
        resolution: ${resolution}
        """,
    "first_stage/artifact.yaml": "_target_: darkroom.autoencoding.first_stage.load_artifact\npath: ???\n",
    "logger/csv.yaml": "_target_: lightning.pytorch.loggers.CSVLogger\nsave_dir: ${logs}\n",
    "logger/wandb.yaml": """
        _target_: lightning.pytorch.loggers.WandbLogger
        _keys_: [tags, notes]
        project: darkroom
        tags: []
        """,
    "experiment/small.yaml": """
        # @package _global_
        # A small autoencoder
        # for tests.
        defaults:
          - override /stage: autoencoder
        max_steps: 10
        optimizer:
          lr: 1.0e-3
        """,
    "experiment/second.yaml": """
        # @package _global_
        # The stage after it.
        defaults:
          - override /stage: latent_diffusion
          - override /first_stage: artifact
        max_steps: 10
        """,
}


def write(conf: Path, files: dict[str, str]) -> None:
    """Write dedented yaml files under ``conf``."""
    for name, text in files.items():
        path = conf / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.strip("\n").splitlines()
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        path.write_text("\n".join(line[indent:] for line in lines) + "\n")


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The conf folder of the small house, one for all tests of a file."""
    folder = tmp_path_factory.mktemp("house") / "conf"
    for group in ("trainer", "optimizer", "lr_schedule", "hydra"):
        shutil.copytree(REAL / group, folder / group)
    write(folder, FILES)
    return folder


@pytest.fixture
def artifact() -> Callable[..., None]:
    """A function that writes the files of a first-stage artifact into a folder, with a true hash."""

    def made(folder: Path, factor: int = 8, **latents: int | str) -> None:
        folder.mkdir(parents=True)
        for name in FILES_OF_ARTIFACT:
            (folder / name).write_text(json.dumps({"factor": factor, **latents}))
        (folder / "HASH").write_text(hash_of(folder))

    return made


@pytest.fixture
def add(conf: Path) -> Callable[[dict[str, str]], None]:
    """A function that writes more files under ``conf``, by name."""
    return functools.partial(write, conf)
