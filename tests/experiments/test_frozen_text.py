"""A frozen pretrained text tower through the commands: trained beside, resumed, sampled by prompt, never changed."""

import hashlib
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from commands.trained import autoencoder_run
from PIL import Image
from recipes import call, run_in
from safetensors.torch import load_file, save_file
from tiny_clip import NAME, tiny_clip

from darkroom.conditioning.pretrained_text import PretrainedText
from darkroom.runs.checkpoint_io import AtomicCheckpointIO
from darkroom.runs.folder import Run

COLOURS = ("red", "blue", "green")
SMALL = [
    *("trainer=cpu", "logger=csv", "resolution=32", "batch_size=6", "optimizer.lr=0.02", "lr_schedule=constant"),
    *("network=dit_small", "network.width=32", "network.depth=1", "network.heads=2", "sampler.num_steps=2"),
    *("guidance.interval=[0,1]", "trainer.log_every_n_steps=1", "trainer.val_check_interval=2"),
    *("callback.distribution=null", "callback.progress=null", "callback.samples.n=2"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Captioned pictures, the weights of a CLIP and a first stage; a run of two steps and two more, and its towers."""
    folder = tmp_path_factory.mktemp("frozen")
    _, _, weights = tiny_clip(folder)
    pictures = folder / "pictures"
    pictures.mkdir()
    for number, colour in enumerate(COLOURS * 3):
        Image.new("RGB", (32, 32), colour).save(pictures / f"{number}.png")
        (pictures / f"{number}.txt").write_text(f"a {colour} picture")
    autoencoder_run(folder / "first")
    house = SimpleNamespace(folder=folder, pictures=pictures, weights=weights, built=[])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PretrainedText, "__init__", _noting(PretrainedText.__init__, house.built))
        assert call("train", *training(house, "logs", "max_steps=2")) == 0
        house.run = Run(run_in(folder / "logs", "latent_diffusion"))
        assert call("train", f"resume={house.run.path}", "max_steps=4") == 0
    return house


def _noting(init, built):
    def noted(self, *arguments, **keywords):
        init(self, *arguments, **keywords)
        built.append(self)

    return noted


def training(house, logs: str, *overrides: str) -> list[str]:
    clip = ["conditioner=clip", f"conditioner.model={NAME}", f"conditioner.pretrained={house.weights}"]
    clip += ["conditioner.context_length=16", "conditioner.layer=final"]  # the tiny tower has one layer
    places = [f"logs={house.folder / logs}", f"stage.latents={house.folder / 'latents'}"]
    data = ["data=image_folder", f"data.root={house.pictures}", "data.validation_fraction=0.3"]
    first = f"first_stage.path={house.folder / 'first'}"
    return ["experiment=shapes_latent_diffusion", *SMALL, *clip, *places, *data, first, *overrides]


def test_the_tower_is_in_no_checkpoint_or_average_and_training_leaves_it_as_the_file_has_it(house):
    held = AtomicCheckpointIO().load_checkpoint(house.run.trained())
    names = {*held["state_dict"], *held["callbacks"]["EMA"]["weights"]}
    assert names
    assert not [name for name in names if "conditioner" in name]
    file = load_file(house.weights)
    assert len(house.built) == 2  # of the training and of what went on with it
    for conditioner in house.built:
        for name, value in conditioner.tower.state_dict().items():
            assert torch.equal(value, file[name]), name


def test_the_run_knows_the_file_by_its_hash_and_takes_it_from_elsewhere_but_no_other(house, capsys):
    held = house.run.config
    known = hashlib.sha256(house.weights.read_bytes()).hexdigest()
    assert held.conditioner.sha256 == held.stage.conditioner.sha256 == known
    before, moved = drawn(house, "a red picture"), house.folder / "moved [1].safetensors"
    other, again = house.folder / "other.safetensors", house.folder / "again"
    save_file({name: value + 1 for name, value in load_file(house.weights).items()}, other)
    shutil.copytree(house.run.path, again)
    house.weights.rename(moved)
    try:
        out = house.folder / "by the moved"
        there = f"conditioner.pretrained={moved}"
        argv = [f"run={house.run.path}", "prompt=a red picture", "n=2", "steps=2", f"out={out}"]
        assert call("sample", *argv, there) == 0
        assert (pictures_in(out) == before).all()
        files = files_of(house)
        for command, given in (("sample", [argv[0], "n=2"]), ("train", [f"resume={again}", "max_steps=5"])):
            capsys.readouterr()
            assert call(command, *given, f"conditioner.pretrained={other}") == 2
            [line] = capsys.readouterr().err.splitlines()
            assert all(word in line for word in (f"conditioner.pretrained={other}", "sha256", known[:12]))
        assert files_of(house) == files
        assert call("train", f"resume={again}", "max_steps=5", there) == 0
    finally:
        moved.rename(house.weights)
    config = Run(again).config
    assert config.conditioner.pretrained == config.stage.conditioner.pretrained == str(moved)


@pytest.mark.parametrize(
    ("command", "pretrained", "word"),
    [
        ("train", "openai", "keeps it"),
        ("sample", "openai", "wants a path"),
        ("evaluate", "x.pt", "no such file"),
    ],
)
def test_only_a_file_takes_the_place_of_a_file(house, command, pretrained, word, capsys):
    argv = [f"{'resume' if command == 'train' else 'run'}={house.run.path}", f"conditioner.pretrained={pretrained}"]
    assert call(command, *argv) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"conditioner.pretrained={pretrained}: " in line and word in line


def files_of(house):
    return {path: path.read_bytes() for path in house.folder.rglob("*") if path.is_file()}


def pictures_in(folder) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("0*.png"))])


def drawn(house, prompt: str) -> np.ndarray:
    out = house.folder / prompt
    if not out.exists():
        assert call("sample", f"run={house.run.path}", f"prompt={prompt}", "n=2", "steps=2", f"out={out}") == 0
    return pictures_in(out)


def test_samples_follow_the_prompt(house):
    assert (drawn(house, "a red picture") != drawn(house, "a blue picture")).any()


@pytest.mark.parametrize("command", ["train", "resume", "sample"])
def test_weights_that_are_gone_are_one_line_that_names_them(house, command, capsys):
    gone = house.folder / "elsewhere.safetensors"
    argv = {
        "train": training(house, "none", "max_steps=2"),
        "resume": [f"resume={house.run.path}", "max_steps=6"],
        "sample": [f"run={house.run.path}", "prompt=a red picture", f"out={house.folder / 'none'}"],
    }[command]
    before = files_of(house)
    house.weights.rename(gone)
    try:
        assert call("sample" if command == "sample" else "train", *argv) == 2
    finally:
        gone.rename(house.weights)
    [line] = capsys.readouterr().err.splitlines()
    assert f"conditioner.pretrained={house.weights}" in line
    assert files_of(house) == before
