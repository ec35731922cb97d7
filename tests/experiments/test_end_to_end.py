"""Both stages by the commands that a user types, as real processes on shapes, and what W&B's own tool reads back."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from recipes import call, process, run_in, tiny, tiny_data, write_pictures

PROMPT = 'a red circle, "left of" a blue square = 고양이 [1]'


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """A folder in which an autoencoder and a denoiser were trained for three steps on few shapes, tracked offline."""
    folder = tmp_path_factory.mktemp("shapes")
    for name in ("shapes_autoencoder", "shapes_latent_diffusion"):
        needs = [] if name == "shapes_autoencoder" else [f"first_stage.path={run_in(folder, 'autoencoder')}"]
        said = process("train", *tiny(name, folder, 3, "wandb"), *tiny_data(name, folder), *needs, cwd=folder)
        assert "wandb leet " in said
        assert "wandb sync " in said
    return folder


@pytest.fixture(scope="module", params=["autoencoder", "latent_diffusion"])
def run(request, shapes):
    return run_in(shapes, request.param)


def inspect(run: Path, *options: str) -> str:
    """What ``wandb leet inspect --json`` prints of the run's offline file."""
    (offline,) = (run / "wandb").glob("offline-run-*")
    wandb = str(Path(sys.executable).with_name("wandb"))
    command = [wandb, "leet", "inspect", "--json", *options, str(offline)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_run_is_a_folder_that_explains_itself(run):
    names = {path.name for path in run.iterdir()}
    assert {"config.yaml", "summary.json", "metrics.csv", "checkpoints", "samples", "first_stage", "wandb"} <= names
    assert not (run / ".hydra").exists()
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    losses = {int(row["step"]): float(row["train/loss"]) for row in rows if row["train/loss"]}
    assert sorted(losses) == [1, 2, 3]
    assert all(0 < loss < 100 for loss in losses.values())


def test_summary_json_is_flat_and_says_what_the_run_cost(run):
    summary = json.loads((run / "summary.json").read_text())
    assert not [key for key, value in summary.items() if isinstance(value, dict | list)]
    metric = "val/psnr" if run.parent.name == "autoencoder" else "val/loss"
    facts = {metric, "step", "seconds", "pictures_per_second", "peak_memory_gb", "parameters", "git_commit", "finished"}
    assert facts <= summary.keys()


def test_wandb_finds_metrics_pictures_and_config_in_the_offline_run(run):
    records = [json.loads(line) for line in inspect(run).splitlines()]
    rows = [record["history"]["item"] for record in records if record["type"] == "history"]
    metric, shown = ("val/psnr", "reconstructions") if run.parent.name == "autoencoder" else ("val/loss", "samples")
    logged = {key for row in rows for key in row}
    speed = {"speed/pictures_per_second", "speed/peak_memory_gb", "speed/mfu"}
    assert {"train/loss", "train/lr", "gradient_norm", metric, *speed} <= logged
    assert any(key.startswith("first_batch") for key in logged)
    (offline,) = (run / "wandb").glob("offline-run-*")
    pictures = [name for row in rows for name in row.get(f"{shown}.filenames", [])]
    captions = [text for row in rows for text in row.get(f"{shown}.captions", [])]
    assert pictures
    assert len(captions) == len(pictures)
    assert all(Image.open(offline / "files" / name).size == (64, 64) for name in pictures)
    config = json.loads(inspect(run, "--summary"))["config"]
    assert (config["max_steps"], config["stage"]["name"]) == (3, run.parent.name)


def test_samples_are_drawn_as_asked_and_judged(shapes):
    run = run_in(shapes, "latent_diffusion")
    out = shapes / "drawn, by prompt"
    few = ["n=3", "batch_size=2"]
    process("sample", f"run={run}", f"prompt={PROMPT}", f"out={out}", "guidance_scale=2", "steps=2", *few, cwd=shapes)
    assert sorted(path.name for path in out.glob("0*.png")) == ["00000.png", "00001.png", "00002.png"]
    lines = [json.loads(line) for line in (out / "metadata.jsonl").read_text().splitlines()]
    assert {line["text"] for line in lines} == {PROMPT}
    process("evaluate", f"run={run}", "steps=2", *few, f"cache={shapes / 'features'}", cwd=shapes)
    metrics = json.loads((run / "evaluation.json").read_text())["metrics"]
    wanted = {"val_psnr", "val_bicubic_psnr", "prompt_accuracy", "prompt_accuracy_held_out", "prompt_accuracy_real"}
    assert wanted <= metrics.keys()
    folders = {"autoencoder", "latent_diffusion", "latents", "features"}
    assert {path.name for path in shapes.iterdir()} == {*folders, out.name, f"{out.name}_grid.png"}


def test_a_folder_of_pictures_trains_by_the_same_recipes_and_is_sampled_by_class(tmp_path, capsys):
    pictures = write_pictures(tmp_path / "my pictures, 2026")
    data = ["data=image_folder", f"data.root={pictures}", "resolution=32"]
    assert call("train", *tiny("shapes_autoencoder", tmp_path), *data) == 0
    needs = f"first_stage.path={run_in(tmp_path, 'autoencoder')}"
    capsys.readouterr()
    assert call("train", *tiny("shapes_ddpm", tmp_path), *data, needs) == 0
    assert "2 classes" in " ".join(capsys.readouterr().out.split())
    run = run_in(tmp_path, "latent_diffusion")
    assert call("sample", f"run={run}", "label=dark", "n=2", f"out={tmp_path / 'out'}") == 0
    assert len(list((tmp_path / "out").glob("0*.png"))) == 2
