"""The real commands answer mistakes in one line each, quickly, without torch and without a trace on disk."""

import subprocess
import sys
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest
import yaml

from darkroom.commands.checking.check import check
from darkroom.commands.checking.root import Evaluate, Sample, Train
from darkroom.commands.checking.signatures import signature

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
HEAVY = {"torch", "lightning", "numpy", "wandb"}  # what takes seconds to import
NEEDS = {"first_stage.path": "first_stage=identity", "data.root": "data.root=."}  # what is left to the user: an answer


def command(folder: Path, *argv: str, name: str = "train", options: Sequence[str] = ()) -> subprocess.CompletedProcess:
    """A real process, started in an empty folder."""
    program = [sys.executable, *options, str(ROOT / f"{name}.py"), *argv]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=300)


def quick(folder: Path, *argv: str, without: AbstractSet[str] = HEAVY) -> tuple[str, list[str]]:
    """What a real process says and the lines of its errors, which loads nothing of what takes seconds.

    By Python's own list of what it imported: a clock would tell how busy the machine is.
    """
    done = command(folder, *argv, options=["-X", "importtime"])
    lines = done.stderr.splitlines()
    imports = [line for line in lines if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in imports}
    assert done.returncode == 2
    assert {"hydra", "darkroom"} <= imported
    assert not without & imported
    assert not list(folder.iterdir())
    return done.stdout, [line for line in lines if line not in imports]


def test_train_alone_lists_every_experiment(tmp_path):
    said, errors = quick(tmp_path)
    assert all(f"  {name} " in said for name in EXPERIMENTS)
    assert not errors


def test_mistakes_of_a_real_process(tmp_path):
    wrong = ["optimizer.lrr=1", "batch_size=0", "data.root=a, b"]
    said, errors = quick(tmp_path, "experiment=shapes_latent_diffusion", "first_stage=identity", *wrong)
    assert [line.partition(":")[0] for line in errors] == ["optimizer.lrr=1", "data.root=a, b", "batch_size=0"]
    assert not said


@pytest.mark.parametrize(
    ("mistake", "words"),
    [("resolution=60", ["resolution=60", "factor 8"]), ("optimizer.lr=-1", ["optimizer", "learning rate: -1"])],
)
def test_a_mistake_that_only_torch_tells_is_a_line_of_a_real_process_too(tmp_path, mistake, words):
    small = ["data.train_size=8", "data.validation_size=4", "max_steps=1", "trainer=cpu", "logger=csv"]
    said, [line] = quick(tmp_path, "experiment=shapes_autoencoder", *small, mistake, without={"lightning", "wandb"})
    assert not said
    assert all(word in line for word in words), line


@pytest.mark.parametrize("name", ["sample", "evaluate"])
def test_the_other_commands_say_how_they_are_used(tmp_path, name):
    done = command(tmp_path, name=name)
    assert (done.returncode, done.stderr) == (2, "")
    assert f"usage: python {name}.py run=" in done.stdout
    assert not list(tmp_path.iterdir())


def test_mistakes_of_the_other_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faults = check("sample", ["run=no, run", "promt=a cat", "n=0", "sampler=eular", "guidance_scale=big"], CONF)
    keys = ["sampler=eular", "promt=a cat", "guidance_scale='big'", "n=0", "run=no, run"]
    assert [fault.partition(":")[0] for fault in faults] == keys
    assert [fault.partition(":")[0] for fault in check("evaluate", ["run=nix", "n=-1"], CONF)] == ["n=-1", "run=nix"]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_passes_the_check(experiment, tmp_path, monkeypatch):
    for picture in ("1.png", "2.png"):  # the check opens none
        (tmp_path / picture).touch()
    monkeypatch.chdir(tmp_path)
    faults = check("train", [f"experiment={experiment}"], CONF)
    answers = [NEEDS[key] for fault in faults for key in NEEDS if fault.startswith(f"{key} is not set")]
    assert len(answers) == len(faults), faults
    if answers:
        assert check("train", [f"experiment={experiment}", *answers], CONF) == []


GROUPS = ("optimizer", "lr_schedule", "trainer", "logger", "callback")


def test_every_option_of_the_groups_that_all_experiments_share_passes_the_check(monkeypatch):
    monkeypatch.setattr("darkroom.commands.checking.devices.gpus", lambda: 8)
    options = [[path.stem for path in sorted((CONF / group).glob("*.yaml"))] for group in GROUPS]
    for row in range(max(map(len, options))):  # option k of every group at once: each is met, in few compositions
        chosen = [f"{group}={names[row % len(names)]}" for group, names in zip(GROUPS, options, strict=True)]
        assert check("train", ["experiment=shapes_autoencoder", *chosen], CONF) == []


@pytest.mark.parametrize("schema", [Train, Sample, Evaluate])
def test_a_schema_names_every_root_key(schema):
    keys = yaml.safe_load((CONF / f"{schema.__name__.lower()}.yaml").read_text())
    found = signature(f"{schema.__module__}.{schema.__name__}")
    assert found is not None
    nodes = {key for key, value in keys.items() if isinstance(value, dict)}  # with a check of their own
    groups = {group for each in keys["defaults"] if isinstance(each, dict) for group in each}
    assert set(keys) - {"defaults"} - nodes - groups == set(found.parameters) - groups
