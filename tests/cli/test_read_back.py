"""What a command reads back of a run that was edited or moved, or whose pictures changed: one line, nothing written."""

import shutil
from pathlib import Path

import lightning
import pytest
import torch
from commands.trained import AUTOENCODER, CONF, diffusion_run
from PIL import Image

from darkroom.commands import evaluate, sample, train
from darkroom.runs.checkpoint import checkpoint_path
from darkroom.runs.folder import Run

TINY = ["trainer=cpu", "logger=csv", "max_steps=2", "batch_size=4", "callback.progress=null"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def answered(capsys: pytest.CaptureFixture, main, *argv: str) -> str:
    """The one line with which the command ends, leaving every file as it was."""
    capsys.readouterr()
    before = contents()
    assert main(argv, CONF) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert contents() == before
    return line


def contents() -> dict[Path, bytes]:
    """Of all but the caches, which are no run's."""
    files = (path for path in Path().rglob("*") if path.is_file() and path.parts[0] != "data")
    return {path: path.read_bytes() for path in files}


def complete(run: Run) -> None:
    """Adds to a checkpoint what Lightning and the stage ask for before they load the weights."""
    path = checkpoint_path(run.checkpoints, 1)
    losses = {"sums": {}, "batches": 0, "a_step": 1}
    more = {"pytorch-lightning_version": lightning.__version__, "losses": losses, "first_stage_hash": "identity"}
    torch.save(torch.load(path) | more, path)


@pytest.mark.parametrize(
    ("main", "argv"), [(sample.main, ["run=run"]), (evaluate.main, ["run=run"]), (train.main, ["resume=run"])]
)
def test_weights_of_another_network_than_the_config_describes_are_named(capsys, main, argv):
    run = diffusion_run(Path("run"), *TINY)
    complete(run)
    config = run.config.copy()
    config.network.width = config.stage.network.width = 32
    run.write_config(config)
    line = answered(capsys, main, *argv)
    assert "do not fit what" in line and "has shape (16," in line and "config.yaml builds" in line


def test_a_checkpoint_without_weights_is_named(capsys):
    run = diffusion_run(Path("run"), *TINY)
    torch.save({"callbacks": {}}, checkpoint_path(run.checkpoints, 1))
    assert "step-00000001.ckpt: has no weights" in answered(capsys, sample.main, "run=run")


def test_a_run_goes_on_with_its_own_pictures_alone_wherever_they_lie(capsys):
    Path("old").mkdir()
    for number in range(6):
        Image.new("RGB", (32, 32), (40 * number, 0, 0)).save(f"old/{number}.png")
    argv = ["experiment=shapes_autoencoder", "resolution=32", *AUTOENCODER, *TINY, "run_id=a", "data=image_folder"]
    assert train.main([*argv, "data.root=old"], CONF) == 0
    again = ("resume=logs/autoencoder/a", "max_steps=3")
    shutil.copy("old/0.png", "old/more.png")
    line = answered(capsys, train.main, *again)
    assert "pictures are not what they were" in line and "init=" in line
    Path("old/more.png").unlink()
    Path("old").rename("new")
    assert train.main([*again, "data.root=new"], CONF) == 0
    assert Run(Path("logs/autoencoder/a")).config.data.root == "new"
