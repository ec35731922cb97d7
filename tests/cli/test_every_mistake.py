"""Each row of mistakes/ through the commands themselves: one line with its words, exit code 2, nothing written."""

import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli.mistakes import drawing, evaluating, files, late, machine, runs, spelling, values
from cli.mistakes.beginnings import FILES_ONLY, SMALL, A, G, Row
from furnished import furnish
from omegaconf import DictConfig, OmegaConf

from darkroom.commands import evaluate, sample, train
from darkroom.commands.checking.check import check
from darkroom.commands.front import enter
from darkroom.runs.lock import alone

ROOT = Path(__file__).resolve().parents[2]
MAIN = {"train": train.main, "sample": sample.main, "evaluate": evaluate.main}

# What only names, types and files tell.
EARLY = [row for each in (spelling, values, files, runs, drawing, evaluating) for row in each.ROWS]
REAL = [  # rows of EARLY that a real process is asked too: the command, and what its line ends with
    ("train", "batch_sise=3"),
    ("train", "experiment=twisted"),
    ("train", "data.root=single"),
    ("train", "resolution=60"),
    ("sample", "n=0"),
    ("evaluate", "n=0"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    furnish(folder)
    return folder


@pytest.fixture(autouse=True)
def inside(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(place)


def answer(capsys: pytest.CaptureFixture, command: str, argv: list[str]) -> str:
    """What the command says on stderr; it ends with code 2, says nothing else and leaves every file as it was."""
    before = everything()
    assert MAIN[command](argv, Path("conf")) == 2
    said = capsys.readouterr()
    assert not said.out
    assert everything() == before
    return said.err


def everything() -> list[tuple[Path, int]]:
    """Names, and of files when they were written; of folders too much changes it."""
    return sorted((path, path.stat().st_mtime_ns if path.is_file() else 0) for path in Path().rglob("*"))


def one_line(said: str, words: list[str]) -> None:
    [line] = said.splitlines()
    assert "Traceback" not in line
    assert all(word in line for word in words), line


def name_of(row: Row) -> str:
    return " ".join(row[1][-1:])[:60]


@pytest.mark.parametrize(("command", "argv", "words"), EARLY + late.ROWS, ids=map(name_of, EARLY + late.ROWS))
def test_a_mistake_is_answered_in_one_line_and_leaves_nothing(capsys, command, argv, words):
    one_line(answer(capsys, command, argv), words)


@pytest.mark.parametrize(("argv", "words", "target", "answers"), machine.ROWS, ids=[row[1][0] for row in machine.ROWS])
def test_what_the_machine_cannot_do_is_one_line_too(capsys, monkeypatch, argv, words, target, answers):
    monkeypatch.setattr(target, answers)
    one_line(answer(capsys, "train", argv), words)


def test_many_trainings_in_place_of_one_are_told_to_whoever_started_them(capsys, monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "8")
    one_line(answer(capsys, "train", A), ["SLURM_STEP_NUM_TASKS=8", "srun", "-n 1"])


def test_a_run_that_another_process_trains_is_left_to_it(capsys):
    with alone(Path("runs/first")):
        one_line(answer(capsys, "train", ["resume=runs/first"]), ["runs/first: is being trained", "another process"])


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (
            [*FILES_ONLY, "data.root=flat", "data.background=[1,2]", "data.validation_fraction=2"],
            ["data.validation_fraction=2", "data.background=[1, 2]"],
        ),
        ([*SMALL, "data.resolution=16", "data.max_shapes=7"], ["data.resolution=16", "data.max_shapes=7"]),
    ],
)
def test_several_faults_that_a_part_finds_are_a_line_each(capsys, argv, found):
    said = answer(capsys, "train", argv).splitlines()
    assert len(said) == 2 and all(word in line for word, line in zip(found, said, strict=True))


SEVERAL = ["batch_sise=3", "optimizer.lrr=1", "resolution=4", "logs=file/logs"]


@pytest.mark.parametrize(
    ("command", "argv", "mistakes"),
    [
        ("train", [*A, *SEVERAL], SEVERAL),
        ("train", ["experiment=strays"], ["callback.foo", "callback.bar"]),
        ("evaluate", ["probe=[nowhere,empty]"], ["probe=nowhere", "probe=empty"]),
    ],
)
def test_several_mistakes_are_a_line_each(capsys, command, argv, mistakes):
    lines = answer(capsys, command, argv).splitlines()
    assert [line.split(":")[0] for line in lines] == mistakes


def test_what_is_there_may_be_left_out_by_null_and_stays_out_of_the_resumed_run(tmp_path):
    assert check("train", ["experiment=lean"], Path("conf")) == []
    assert check("train", [*A, "callback.progress=null", "stage.loss.terms.l1=null"], Path("conf")) == []
    config = OmegaConf.load("runs/first/config.yaml")
    config.callback.progress = None
    OmegaConf.save(config, tmp_path / "config.yaml")
    assert check("train", [f"resume={tmp_path}"], Path("conf")) == []


def test_jobs_that_write_each_a_file_of_its_own_start():
    started, before = [], everything()

    def task(config: DictConfig) -> None:
        started.append((config.kid_size, config.out))

    def sweep(*given: str) -> int:
        return enter("evaluate", ["-m", *G, *given], Path("conf"), task, wants=["generated"])

    assert sweep("kid_size=5,6", "out=some/of-${hydra:job.num}.json") == 0
    assert sweep("kid_size=7,8", "out=of ${kid_size}.json") == 0
    assert started == [(5, "some/of-0.json"), (6, "some/of-1.json"), (7, "of 7.json"), (8, "of 8.json")]
    assert everything() == before


def test_what_is_logged_while_a_run_is_evaluated_is_shown_as_a_warning(capsys):
    def task(_: DictConfig) -> None:
        logging.getLogger("darkroom.data.captions").warning("4 pictures have no caption")

    assert enter("evaluate", ["compare=[file,file]"], Path("conf"), task, wants=["compare"]) == 0
    assert capsys.readouterr().out == "warning: 4 pictures have no caption\n"


def test_an_experiment_that_is_no_text_hides_not_the_others(capsys):
    assert train.main([], Path("conf")) == 2
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    listed = dict(line for line in lines if len(line) == 2)
    assert "UTF-8" in listed["latin"]
    assert listed["shapes_autoencoder"].startswith("A small KL autoencoder")


def test_a_batch_that_does_not_divide_among_devices_is_told_before_anything_is_written(capsys, monkeypatch):
    monkeypatch.setattr("darkroom.commands.fit.write_down", lambda *_: pytest.fail("was written"))
    monkeypatch.setattr("darkroom.commands.train.crowding", lambda _: None)  # said where there is one core
    said = answer(capsys, "train", [*SMALL, "batch_size=9", "trainer.devices='2'"])  # quoted: Lightning counts it
    one_line(said, ["batch_size=9", "2 processes", "8 or 10"])


ASKED = [next(row for row in EARLY if (row[0], row[1][-1]) == each) for each in REAL]


@pytest.mark.parametrize(("command", "argv", "words"), ASKED, ids=map(name_of, ASKED))
def test_a_real_process_says_the_same_and_soon(place, capsys, tmp_path, command, argv, words):
    (tmp_path / "conf").symlink_to(place / "conf")
    shutil.copy(ROOT / f"{command}.py", tmp_path)
    before, start = everything(), time.perf_counter()
    done = subprocess.run([sys.executable, str(tmp_path / f"{command}.py"), *argv], capture_output=True, text=True)
    assert time.perf_counter() - start < 10
    assert (done.returncode, done.stdout) == (2, "")
    assert everything() == before
    assert done.stderr == answer(capsys, command, argv)
    one_line(done.stderr, words)


def test_the_table_is_long():
    assert len(EARLY) + len(late.ROWS) + len(machine.ROWS) >= 60
