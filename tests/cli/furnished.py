"""Experiments, pictures, artifacts and runs, right and wrong, that the command lines of mistakes/ name."""

import json
import shutil
from pathlib import Path
from zipfile import ZipFile

from omegaconf import OmegaConf
from PIL import Image

from darkroom.autoencoding.artifact import FILES, hash_of
from darkroom.commands.checking.compose import Space, composed

CONF = Path(__file__).resolve().parents[2] / "conf"

EXPERIMENT = """# @package _global_
# A mistake.
defaults: [{override /stage: autoencoder}, {override /autoencoder: kl_f8_small}]
max_steps: 1
"""
EXPERIMENTS = {
    "twisted": "optimizer: {lrr: 1.0}",
    "rooted": "batch_sise: 3",
    "emma": "callback: {emma: {sigma_rel: 0.1}}",
    "nulled": "callback: {progres: null}",
    "termless": "stage: {loss: {terms: {l11: null}}}",
    "strays": "callback: {foo: 1, bar: 2}",
    "lean": "callback: {progress: null}\nstage: {loss: {terms: {l1: null, l2: null}}}",
    "targeted": "stage: {loss: {terms: {l2: {_targt_: darkroom.autoencoding.loss.reconstruction.L2, weight: 1.0}}}}",
}
NO_RUNS = {"list": b"[1, 2]", "hollow": b"", "binary": b"\xff\xfe\x00", "torn": b"a: [", "other": b"stage: 1"}


def furnish(place: Path) -> None:
    """All that the rows speak of, and a conf/ of its own with faulty experiments."""
    for name in ("empty", "full"):
        (place / name).mkdir()
    for name in ("file", "full/other"):
        (place / name).touch()
    experiments(place / "conf")
    pictures(place)
    first_stages(place)
    runs(place / "runs")


def experiments(conf: Path) -> None:
    shutil.copytree(CONF, conf)
    for name, text in EXPERIMENTS.items():
        (conf / "experiment" / f"{name}.yaml").write_text(EXPERIMENT + text + "\n")
    (conf / "experiment" / "latin.yaml").write_bytes(EXPERIMENT.encode() + b"# caf\xe9\n")


def pictures(folder: Path) -> None:
    names = [
        "single/a",
        "kind/cats/a",
        "kind/cats/b",
        "flat/a",
        "flat/b",
        "latin/a",
        "latin/b",
        "torn/a",
        "torn/b",
        "strange/cat/a",
        "strange/dog/b",
    ]
    for name in names:
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    (folder / "torn" / "metadata.jsonl").write_text("{")
    (folder / "latin" / "a.txt").write_bytes(b"caf\xe9")
    (folder / "strange" / "classes.json").write_text('["cat"]')
    (folder / "unreadable").mkdir()
    for name in ("a.png", "b.png"):
        (folder / "unreadable" / name).touch()


def first_stages(folder: Path) -> None:
    for place in (folder / "first", folder / "changed"):
        place.mkdir()
        for name in FILES:
            (place / name).write_text(json.dumps({"factor": 8}))
        (place / "HASH").write_text(hash_of(place))
    (folder / "changed" / "weights.safetensors").write_text("others")
    shutil.copytree(folder / "first", folder / "undivided")
    (folder / "undivided" / "latents.json").write_text('{"factor": 0}')
    (folder / "undivided" / "HASH").write_text(hash_of(folder / "undivided"))


def runs(folder: Path) -> None:
    """An autoencoder's, a denoiser's of three classes, and what is no run; the check opens config.yaml alone."""
    label = {
        "_target_": "darkroom.conditioning.class_label.ClassLabel",
        "num_classes": 3,
        "names": ["Apple", "Banana", "Kiwi"],
    }
    for name, experiment, conditioner in (
        ("first", "shapes_autoencoder", None),
        ("label", "shapes_latent_diffusion", label),
    ):
        config = composed(Space(CONF, "train"), [f"experiment={experiment}", "run_id=x", "first_stage=identity"]).config
        config.conditioner = conditioner
        (folder / name / "checkpoints").mkdir(parents=True)
        (folder / name / "checkpoints" / "step-00000001.ckpt").touch()
        (folder / name / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
    for name, content in NO_RUNS.items():
        (folder / name).mkdir()
        (folder / name / "config.yaml").write_bytes(content)
    taken = folder.parent / "taken" / "autoencoder" / "old"
    taken.mkdir(parents=True)
    shutil.copy(folder / "first" / "config.yaml", taken)
    shutil.copytree(folder / "first", folder / "foreign")
    with (folder / "foreign" / "config.yaml").open("a") as file:
        file.write("hydra: {callbacks: {x: {_target_: os.system, command: touch ran}}}\n")
    ZipFile(folder / "first" / "checkpoints" / "step-00000005.ckpt", "w").close()
    (folder / "first" / "train.log").touch()
    (folder / "first" / "first_stage").mkdir()
    (folder / "first" / "first_stage" / "HASH").touch()
