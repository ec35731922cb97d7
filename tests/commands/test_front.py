"""From the command line to the task, through the real Hydra: what arrives, where a run lies, how a mistake ends."""

import sys
from pathlib import Path

import pytest
import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from darkroom.commands import train
from darkroom.commands.faults import answered
from darkroom.commands.front import enter
from darkroom.commands.usage import experiments

SEEN: list[tuple[dict, str]] = []


def remember(config: DictConfig) -> None:
    """A task that keeps what it was given and writes a run as train.py does."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    plain = OmegaConf.to_container(config, resolve=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(plain))
    SEEN.append((plain, str(folder)))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    SEEN.clear()


def run(conf: Path, *argv: str) -> int:
    return enter("train", argv, conf, remember, wants=("experiment", "resume"))


def test_a_run_lies_in_its_folder_and_nothing_lies_elsewhere(conf, tmp_path):
    before = sys.argv
    assert run(conf, "experiment=small", "logs=my logs, [old]", "seed=3") == 0
    [(config, folder)] = SEEN
    assert (config["seed"], config["logs"]) == (3, "my logs, [old]")
    assert Path(folder) == tmp_path / "my logs, [old]" / "autoencoder" / config["run_id"]
    stamp = config["run_id"].split("-")
    assert (len(stamp[0]), len(stamp[1]), stamp[2], len(stamp[3])) == (8, 6, "small", 4)
    files = {path.relative_to(tmp_path).parts[-1] for path in tmp_path.rglob("*") if path.is_file()}
    assert files <= {"config.yaml", "train.log"}
    assert Path.cwd() == tmp_path
    assert sys.argv is before


def test_each_job_of_a_sweep_is_a_run(conf, tmp_path):
    assert run(conf, "experiment=small", "seed=1,2", "-m") == 0
    assert [config["seed"] for config, _ in SEEN] == [1, 2]
    ids = [config["run_id"] for config, _ in SEEN]
    assert [each.split("-")[2] for each in ids] == ["small", "small"]
    assert len(set(ids)) == 2
    assert [Path(folder) for _, folder in SEEN] == [tmp_path / "logs" / "autoencoder" / each for each in ids]
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.parent for path in files} == {Path("logs", "autoencoder", each) for each in ids}


@pytest.mark.parametrize("folder", [".", "logs"])
def test_a_sweep_leaves_a_multirun_file_of_the_users_alone(conf, tmp_path, folder):
    theirs = tmp_path / folder / "multirun.yaml"  # where commands that make no run, and train.py, would have theirs
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("theirs")
    assert (
        run(conf, "experiment=small", "seed=1,2", "run_id='x-${hydra:job.num}'", f"hydra.sweep.dir={folder}", "-m") == 0
    )
    places = [(config["seed"], Path(folder)) for config, folder in SEEN]
    assert places == [(seed, tmp_path / folder / "autoencoder" / f"x-{seed - 1}") for seed in (1, 2)]
    assert theirs.read_text() == "theirs"
    assert list(tmp_path.rglob("multirun.yaml")) == [theirs]


def test_jobs_of_one_run_are_refused_before_the_first(conf, tmp_path, capsys):
    assert run(conf, "experiment=small,second", "first_stage.path=x", "seed=0,1", "run_id=x", "-m") == 2
    assert run(conf, "experiment=small", "seed=0,1", "run_id=x", "-m") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    own = "give each its own, as in run_id='x-${hydra:job.num}'"
    assert line == f"run_id=x: 2 jobs would be one run, logs/autoencoder/x; {own}"
    assert not SEEN
    assert not list(tmp_path.iterdir())


def test_a_resumed_run_needs_nothing_but_its_folder(conf, tmp_path):
    assert run(conf, "experiment=small", "seed=3", "run_id=first") == 0
    config, folder = SEEN.pop()
    moved = tmp_path / "moved, elsewhere"
    Path(folder).rename(moved)
    assert run(conf, f"resume={moved.name}", "max_steps=20", "trainer.precision=32-true", "seed=3") == 0
    [(again, place)] = SEEN
    assert Path(place) == moved
    trainer = {**config["trainer"], "precision": "32-true", "max_steps": 20}  # what followed max_steps still does
    schedule = {**config["lr_schedule"], "total_steps": 20}
    assert again == {**config, "resume": str(moved), "max_steps": 20, "trainer": trainer, "lr_schedule": schedule}


def test_a_moved_run_resumes_with_its_own_copy_of_the_first_stage(conf, tmp_path, artifact):
    for folder in ("artifact", "moved/first_stage"):
        artifact(tmp_path / folder)
    assert run(conf, "experiment=second", "first_stage.path=artifact", "run_id=first") == 0
    Path(SEEN.pop()[1], "config.yaml").rename(tmp_path / "moved" / "config.yaml")
    (tmp_path / "artifact").rename(tmp_path / "gone")
    assert run(conf, "resume=moved") == 0
    config, own = SEEN[0][0], str(tmp_path / "moved" / "first_stage")
    assert config["first_stage"]["path"] == config["stage"]["first_stage"]["path"] == own


def test_a_run_of_another_machine_goes_on_without_the_folders_that_it_had_there(conf, tmp_path, artifact, capsys):
    artifact(tmp_path / "artifact")
    assert run(conf, "experiment=second", "first_stage.path=artifact", "run_id=first") == 0
    config, folder = SEEN.pop()
    stage = {**config["stage"], "latents": "/proc/old/latents"}
    data = {"_target_": "darkroom.data.image_folder.ImageFolder", "root": "/proc/old/pictures", "resolution": 64}
    there = {**config, "logs": "/proc/old/logs", "stage": stage, "data": data}
    (Path(folder) / "config.yaml").write_text(yaml.safe_dump(there))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    assert run(conf, f"resume={folder}") == 2
    assert [line.split("=")[0] for line in capsys.readouterr().err.splitlines()] == ["data.root", "stage.latents"]
    assert run(conf, f"resume={folder}", f"data.root={tmp_path}", "stage.latents=here") == 0
    [(again, _)] = SEEN
    assert (again["data"]["root"], again["stage"]["latents"]) == (str(tmp_path), "here")


def test_a_resume_refuses_what_would_break_it(conf, capsys):
    assert run(conf, "experiment=small", "run_id=first") == 0
    held = OmegaConf.load("logs/autoencoder/first/config.yaml")
    held.experiment = "small"  # as train.py writes it
    OmegaConf.save(held, "logs/autoencoder/first/config.yaml")
    SEEN.clear()
    changes = ["seed=1", "optimizer.lr=1.0", "experiment=second", "data=image_folder", "+more=1", "trainer=cpu"]
    assert run(conf, "resume=logs/autoencoder/first", *changes) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == changes
    assert "has seed=0" in lines[0]
    assert run(conf, "resume=logs/autoencoder/first", "experiment=small", "trainer.max_stps=3") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "max_steps?" in line
    assert not SEEN


def test_processes_that_torchrun_starts_must_name_the_run_that_they_share(conf, monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert run(conf, "experiment=small") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("run_id: ")
    assert run(conf, "experiment=small", "run_id=ours") == 0
    assert len(SEEN) == 1


def test_flags_that_show_start_nothing(conf, tmp_path, capsys):
    assert run(conf, "experiment=small", "--cfg", "job") == 0
    assert "max_steps: 10" in capsys.readouterr().out
    assert run(conf, "--shell-completion", "install=bash") == 0
    assert "COMP_LINE" in capsys.readouterr().out
    assert not SEEN
    assert not list(tmp_path.iterdir())


def test_without_an_experiment_they_are_listed(conf, tmp_path, capsys):
    assert run(conf) == run(conf, "seed=1") == 2
    said = capsys.readouterr().out
    assert "small   A small autoencoder for tests.\n" in said
    assert "second  The stage after it.\n" in said
    assert not list(tmp_path.iterdir())
    assert list(experiments(conf)) == ["second", "small"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["experment=small"], ["experment=small", "did you mean experiment?", "conf/train.yaml"]),
        (["data=shape", "seed=1"], ["data=shape", "shapes?"]),
        (["=3"], ["=3", "key=value"]),
        (["experiment=small", "=3"], ["=3", "key=value"]),
        (["experiment=small", "--config-name=foo"], ["--config-name=foo", "leave it out"]),
        (["experiment=small", "--config-dir", "nowhere"], ["--config-dir=nowhere", "leave it out"]),
        (["experiment=small", "--experimental-rerun", "nowhere"], ["--experimental-rerun=nowhere", "leave it out"]),
    ],
)
def test_a_mistake_is_told_before_the_usage(conf, tmp_path, capsys, argv, words):
    assert run(conf, *argv) == 2
    said = capsys.readouterr()
    [line] = said.err.splitlines()
    assert all(word in line for word in words), line
    assert not said.out
    assert not list(tmp_path.iterdir())


def test_help_tells_keys_defaults_and_options(conf, tmp_path, capsys):
    assert run(conf, "--help") == run(conf, "-h", "experiment=small") == 0
    said = capsys.readouterr().out
    assert "A small autoencoder for tests." in said
    assert "  batch_size=64\n" in said
    assert "  logger       csv, wandb\n" in said
    assert not SEEN
    assert not list(tmp_path.iterdir())


def test_a_folder_that_hydra_cannot_write_to_is_refused(conf, tmp_path, capsys):
    assert run(conf, "experiment=small", "logs=${old}") == 2
    assert "logs=${old}: Hydra cannot write" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_resumed_run_asks_no_more_for_the_weights_it_began_with(conf):
    assert run(conf, "experiment=small", "run_id=first") == 0
    config, folder = SEEN.pop()
    (Path(folder) / "config.yaml").write_text(yaml.safe_dump({**config, "init": "gone"}))
    assert run(conf, f"resume={folder}", "max_steps=20") == 0
    assert SEEN[0][0]["init"] == "gone"


def test_a_mistake_is_told_on_stderr_and_nothing_is_written(conf, tmp_path, capsys):
    assert run(conf, "experiment=small", "batch_size=0", "sede=1") == 2
    said = capsys.readouterr()
    assert [line.partition(":")[0] for line in said.err.splitlines()] == ["sede=1", "batch_size=0"]
    assert not said.out
    assert not SEEN
    assert not list(tmp_path.iterdir())


def test_an_input_error_is_one_line_and_our_own_mistake_keeps_its_traceback(capsys, tmp_path):
    with pytest.raises(SystemExit) as stop, answered():
        from darkroom.build import build

        build({"_target_": "os.system"})
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(SystemExit), answered():
        (tmp_path / "absent").read_text()
    assert capsys.readouterr().err == f"{tmp_path / 'absent'}: No such file or directory\n"
    with pytest.raises(ValueError, match="invalid literal"), answered():
        int("x")
    with pytest.raises(KeyError), answered():
        {}["x"]


def test_the_experiment_is_written_into_the_config(conf, monkeypatch):
    import types

    monkeypatch.setitem(
        sys.modules, "darkroom.commands.fit", types.SimpleNamespace(fit=lambda config, _: remember(config))
    )
    assert train.main(["experiment=small"], conf) == 0
    assert SEEN[0][0]["experiment"] == "small"
