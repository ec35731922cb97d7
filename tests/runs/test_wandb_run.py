import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import wandb
from omegaconf import OmegaConf

from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import MetricsFile
from darkroom.runs.wandb_pieces import how_to_look, offline_pieces
from darkroom.runs.wandb_run import WandbRun

CONFIG = {"resolution": 64, "network": {"_target_": "darkroom.networks.dit.DiT", "width": 192}}
PICTURES = torch.arange(2 * 3 * 8 * 8, dtype=torch.uint8).view(2, 3, 8, 8)


def float32(value):
    return torch.tensor(value).item()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run that was tracked offline, interrupted after 20 steps, and gone on with from step 10."""
    folder = tmp_path_factory.mktemp("runs") / "20260101-shapes"
    patch = pytest.MonkeyPatch()
    patch.setenv("WANDB_MODE", "offline")
    for steps in ([10, 20], [20, 30]):
        logger = WandbRun(folder)
        logger.log_hyperparams(CONFIG)
        for step in steps:
            logger.log_metrics({"train/loss": 1 / step, "epoch": 0}, step=step - 1)
            logger.log_metrics({"val/psnr": float(step)}, step=step - 1)
        logger.log_pictures("samples", PICTURES, ["a red circle", "고양이, sitting"], step=steps[-1])
        logger.close()
    patch.undo()
    return folder


def inspect(path, *options):
    """What W&B's own tool prints of an offline run."""
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", *options, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def history(path):
    records = [json.loads(line) for line in inspect(path).splitlines()]
    return [record["history"]["item"] for record in records if record["type"] == "history"]


def histories_of(folder):
    return [history(piece) for piece in offline_pieces(folder)]


@pytest.fixture(scope="module")
def histories(folder):
    """Of its two pieces."""
    return histories_of(folder)


def test_the_offline_run_holds_metrics_pictures_and_config(folder, histories):
    first, _ = sorted((folder / "wandb").glob("offline-run-*"))
    rows, _ = histories
    assert [(row["trainer/global_step"], row["train/loss"], row["val/psnr"]) for row in rows] == [
        (10, float32(0.1), 10),
        (20, float32(0.05), 20),
    ]
    assert rows[-1]["samples.captions"] == ["a red circle", "고양이, sitting"]
    stored = [first / "files" / name for name in rows[-1]["samples.filenames"]]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in stored)
    summary = json.loads(inspect(first, "--summary"))
    assert {key: summary["config"][key] for key in CONFIG} == CONFIG
    assert (summary["project"], summary["run_id"], summary["state"]) == ("darkroom", "20260101-shapes", "finished")


def test_a_resumed_run_has_the_same_id_and_true_steps(folder, histories):
    _, second = offline_pieces(folder)
    assert json.loads(inspect(second, "--summary"))["run_id"] == "20260101-shapes"
    assert [(row["_step"], row["trainer/global_step"]) for row in histories[1]] == [(30, 30)]


def test_a_run_whose_folder_was_renamed_goes_on_as_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = tmp_path / "moved, elsewhere"  # no id that W&B takes
    folder.mkdir()
    Run(folder).write_config(OmegaConf.create({"run_id": "first"}))
    logger = WandbRun(folder)
    logger.log_metrics({"train/loss": 1.0}, step=0)
    logger.close()
    [piece] = offline_pieces(folder)
    assert json.loads(inspect(piece, "--summary"))["run_id"] == "first"


def metrics_of(histories):
    """What the pieces hold in order: the value of each metric at each step, named twice if it is there twice."""
    rows = [row for each in histories for row in each]
    names = ("train/loss", "val/psnr", "samples.captions")
    return [((name, row["_step"]), row[name]) for row in rows for name in names if name in row]


def test_the_pieces_of_a_resumed_run_hold_every_value_once(histories):
    steps = (10, 20, 30)
    values = [(("train/loss", step), float32(1 / step)) for step in steps] + [
        (("val/psnr", step), step) for step in steps
    ]
    pictures = [(("samples.captions", step), ["a red circle", "고양이, sitting"]) for step in steps[1:]]
    assert sorted(metrics_of(histories)) == sorted([*values, *pictures])


_KILLED = """
import os, signal, sys
from pathlib import Path
from darkroom.runs.metrics_file import MetricsFile
from darkroom.runs.wandb_run import WandbRun

loggers = MetricsFile(Path(sys.argv[1])), WandbRun(Path(sys.argv[1]))
for step in map(int, sys.argv[2:]):
    for logger in loggers:
        logger.log_metrics({"train/loss": 0.1 * step}, step=step - 1)
        logger.log_metrics({"val/psnr": 7.0 * step}, step=step - 1)
os.killpg(0, signal.SIGKILL)
"""


def test_what_a_kill_took_from_wandb_is_logged_when_the_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", _KILLED, str(folder), "10", "20", "30"]
    own = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}  # else it shares ours
    done = subprocess.run(command, start_new_session=True, timeout=60, check=False, env=own)
    assert done.returncode == -signal.SIGKILL
    assert metrics_of(histories_of(folder)) == []
    for logger in (MetricsFile(folder), WandbRun(folder)):
        logger.log_metrics({"train/loss": 2.0}, step=19)
        if isinstance(logger, WandbRun):
            logger.close()
    found = metrics_of(histories_of(folder))
    assert sorted(found) == [(("train/loss", 10), 1.0), (("train/loss", 20), 2.0), (("val/psnr", 10), 70.0)]


def test_the_way_to_look_names_folders_that_exist(folder):
    look, upload = how_to_look(folder)
    assert look.split("wandb leet ")[1] == str(folder / "wandb")  # of several pieces, the folder that holds them
    assert upload.split("wandb sync ")[1].split() == sorted(map(str, (folder / "wandb").glob("offline-run-*")))
    assert how_to_look(folder / "samples") == []


def test_the_way_to_look_is_quoted_for_a_shell(tmp_path):
    piece = tmp_path / "my runs" / "wandb" / "offline-run-1"
    piece.mkdir(parents=True)
    (piece / "run-1.wandb").touch()
    words = [shlex.split(line.partition(":")[2]) for line in how_to_look(tmp_path / "my runs")]
    assert words == [["wandb", "leet", str(piece)], ["wandb", "sync", str(piece)]]


@pytest.mark.parametrize("logged_in", [True, False])
def test_without_a_key_it_runs_offline_and_never_asks(tmp_path, monkeypatch, logged_in):
    asked = {}
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb, "login", lambda **options: asked.update(options) or logged_in)
    settings = WandbRun(tmp_path)._wandb_init
    assert settings["mode"] == (None if logged_in else "offline")
    assert asked == {"prompt": False, "verify": False}


@pytest.mark.parametrize("key", ["abc", " "])
def test_a_key_that_cannot_be_one_is_told_in_one_line(tmp_path, monkeypatch, key):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_API_KEY", key)
    wandb.teardown()  # it reads the environment once
    with pytest.raises(ValueError, match=r"^Weights & Biases: .*; mend WANDB_API_KEY, or set WANDB_MODE=offline$"):
        WandbRun(tmp_path)
    wandb.teardown()


def test_a_run_with_no_step_left_is_caught_up_when_it_closes(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = tmp_path / "ended"
    (folder / "wandb" / "offline-run-20260101_000000-ended").mkdir(parents=True)  # killed before W&B had begun
    MetricsFile(folder).log_metrics({"val/psnr": 0.1}, step=9)
    logger = WandbRun(folder)
    logger.log_hyperparams(CONFIG)
    logger.close()
    (name, value) = metrics_of(histories_of(folder))[0]
    assert (name, torch.tensor(value)) == (("val/psnr", 10), torch.tensor(0.1))
    assert len(offline_pieces(folder)) == 1
