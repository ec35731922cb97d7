"""What a mistake leaves behind: nothing of a new run, and an old one as it was; and ctrl-C while a run's parts load."""

from pathlib import Path

import pytest

from darkroom.commands.faults import MISTAKE, without_trace

FOLDER = "logs/autoencoder/run"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has trained, with a piece of W&B."""
    folder = tmp_path / FOLDER
    for name in ("config.yaml", "train.log", "metrics.csv", "wandb/offline-run-1-run/run-run.wandb"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"old {name}")
    (folder / "wandb" / "latest-run").symlink_to("offline-run-1-run")
    return folder


def begin(run: Path) -> None:
    """What a resumed run writes before it trains."""
    (run / "config.yaml").write_text("new")
    with (run / "train.log").open("a") as log:
        log.write("new")
    (run / "wandb" / "offline-run-2-run").mkdir()
    (run / "wandb" / "offline-run-2-run" / "run-run.wandb").touch()
    (run / "wandb" / "latest-run").unlink()
    (run / "wandb" / "latest-run").symlink_to("offline-run-2-run")


def state(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() or path.is_symlink()
    }


def test_an_old_run_is_as_it_was(run):
    before = state(run)
    with pytest.raises(SystemExit), without_trace(run):
        begin(run)
        raise SystemExit(MISTAKE)
    assert state(run) == before


def test_a_folder_that_was_no_run_keeps_what_it_held(run):
    (run / "config.yaml").unlink()
    before = state(run)
    with pytest.raises(SystemExit), without_trace(run):
        begin(run)
        (run / "first_stage").mkdir()
        (run / "first_stage" / "HASH").touch()
        raise SystemExit(MISTAKE)
    assert state(run) == before


@pytest.mark.parametrize("name", ["wandb/offline-run-1-run/run-run.wandb", "first_stage/HASH", "train.log"])
def test_a_folder_that_held_but_one_thing_of_a_run_keeps_it(tmp_path, name):
    run = tmp_path / FOLDER
    (run / name).parent.mkdir(parents=True)
    (run / name).write_text("theirs")
    before = state(run)
    with pytest.raises(SystemExit), without_trace(run):
        (run / "config.yaml").write_text("new")
        raise SystemExit(MISTAKE)
    assert state(run) == before


@pytest.mark.parametrize("name", ["failure-00000012-0.pt", "metrics.csv", "checkpoints/step-00000001.ckpt"])
def test_what_a_training_wrote_before_it_failed_stays(run, name):
    with pytest.raises(SystemExit), without_trace(run):
        begin(run)
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("trained")
        after = state(run)
        raise SystemExit(MISTAKE)
    assert state(run) == after


@pytest.mark.parametrize("stop", [SystemExit(MISTAKE), KeyboardInterrupt()], ids=["mistake", "ctrl-C"])
@pytest.mark.parametrize("made", [False, True])
def test_of_a_new_run_nothing_is_left(tmp_path, made, stop):
    run = tmp_path / FOLDER
    with pytest.raises(type(stop)), without_trace(run):
        if made:
            run.mkdir(parents=True)
            (run / "train.log").touch()
        raise stop
    assert not run.exists()
    assert not made or not list(tmp_path.iterdir())


ENDS = pytest.mark.parametrize("stop", [SystemExit(130), KeyboardInterrupt()], ids=["saved", "ctrl-C"])


@ENDS
def test_another_end_leaves_everything(run, stop):
    with pytest.raises(type(stop)), without_trace(run):
        begin(run)
        after = state(run)
        raise stop
    assert state(run) == after


@ENDS
@pytest.mark.parametrize("name", ["config.yaml", "first_stage/HASH", "wandb/offline-run-1-run/run-run.wandb"])
def test_a_new_run_that_may_go_on_stays(tmp_path, name, stop):
    run = tmp_path / FOLDER
    with pytest.raises(type(stop)), without_trace(run):
        (run / name).parent.mkdir(parents=True)
        (run / name).touch()
        raise stop
    assert (run / name).exists()


@pytest.mark.parametrize("stop", [SystemExit(MISTAKE), KeyboardInterrupt()], ids=["mistake", "ctrl-C"])
def test_a_folder_that_somebody_prepared_keeps_its_links(tmp_path, stop):
    run = tmp_path / FOLDER
    run.mkdir(parents=True)
    (run / "checkpoints").symlink_to(tmp_path)
    with pytest.raises(type(stop)), without_trace(run):
        (run / "train.log").touch()
        raise stop
    assert (run / "checkpoints").is_symlink()


def test_another_process_leaves_that_to_the_first(run, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(SystemExit), without_trace(run):
        begin(run)
        after = state(run)
        raise SystemExit(MISTAKE)
    assert state(run) == after
