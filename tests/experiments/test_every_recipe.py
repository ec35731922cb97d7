"""Every file of conf/experiment, trained for a few steps through the command line and sampled: for `make test-all`."""

import os
from pathlib import Path

import pytest
from recipes import (
    AUTOENCODERS,
    DIFFUSIONS,
    config_of,
    first_stage_of,
    process,
    run_in,
    stage_of,
    tiny,
    tiny_data,
    write_pictures,
)

from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import read_metrics

pytestmark = pytest.mark.slow
STEPS = 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The run of an autoencoder experiment, trained when first asked for, and the overrides for its pictures."""
    runs = {}

    def run(name):
        if name not in runs:
            folder = tmp_path_factory.mktemp(name)
            data = own_data(name, folder / "pictures")
            process("train", *tiny(name, folder / "logs", STEPS, "wandb"), *data, cwd=folder)
            runs[name] = run_in(folder / "logs", "autoencoder"), data
        return runs[name]

    return run


def own_data(name: str, folder: Path) -> list[str]:
    """The experiment's own pictures where this machine has them, else a folder of few."""
    digits = Path(os.environ.get("DARKROOM_REAL_DATA", folder)) / "mnist"
    if config_of(name).data._target_.endswith(".MNIST") and digits.is_dir():
        return [f"data.root={digits}", "data.download=null"]
    return tiny_data(name, write_pictures(folder))


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_an_autoencoder_trains_through_the_command_line_and_is_evaluated(name, trained):
    run, _ = trained(name)
    process("evaluate", f"run={run}", "n=4", cwd=run)
    assert (run / "evaluation.json").is_file()


@pytest.mark.parametrize("name", DIFFUSIONS)
def test_a_diffusion_model_trains_through_the_command_line_and_is_sampled(name, trained, tmp_path):
    first_stage, data = trained(first_stage_of(name))
    needs = f"first_stage.path={first_stage}"
    process("train", *tiny(name, tmp_path, STEPS, "wandb"), *data, needs, cwd=tmp_path)
    run = run_in(tmp_path, "latent_diffusion")
    process("sample", f"run={run}", "n=2", f"out={tmp_path / 'out'}", cwd=tmp_path)
    assert len(list((tmp_path / "out").glob("0*.png"))) == 2


DEBUG = ["trainer=debug", "logger=csv", "resolution=32", "batch_size=8", "data.train_size=32", "data.validation_size=8"]


@pytest.mark.parametrize("name", ["shapes_autoencoder", "shapes_latent_diffusion"])
def test_trainer_debug_overfits_a_single_batch(name, tmp_path):
    own = {
        "shapes_autoencoder": [],
        "shapes_latent_diffusion": [
            "first_stage=identity",
            "network=dit_small",
            "network.patch=8",
            "callback.distribution=null",
        ],
    }[name]
    process("train", f"experiment={name}", *DEBUG, *own, f"logs={tmp_path}", cwd=tmp_path)
    rows = read_metrics(Run(run_in(tmp_path, stage_of(name))).metrics)
    losses = [float(row["train/loss"]) for row in rows if row.get("train/loss")]
    assert len(losses) == 200
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])
