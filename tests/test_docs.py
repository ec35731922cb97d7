"""The documentation: links lead somewhere, commands pass the check, and the worked example works in a copy."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import CONF, PAGES, ROOT, blocks, commands, furnish, python_commands

from darkroom.commands.checking.check import check

EXTEND = ROOT / "docs" / "extend.md"
README = ROOT / "README.md"  # test_readme.py has its commands


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The repository with the files of docs/extend.md written to where the page says they belong."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("src", "conf", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("train.py", "sample.py", "evaluate.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for block in blocks(EXTEND):
        if block.language in ("python", "yaml"):
            (folder / place(block)).write_text(block.text)
    furnish(folder)
    return folder


def place(block) -> str:
    """The file that a block is: the one named above it, or below it."""
    text = EXTEND.read_text(encoding="utf-8")
    around = block.above + text.split(block.text)[1].partition("```bash")[0]
    return re.findall(r"`((?:src|conf)/[\w/]+\.(?:py|yaml))`", around)[0]


def in_copy(copy: Path, *argv: str) -> subprocess.CompletedProcess:
    environment = {"PYTHONPATH": str(copy / "src"), "PATH": str(Path(sys.executable).parent) + ":/usr/bin:/bin"}
    environment |= {"WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    return subprocess.run(argv, cwd=copy, env=environment, capture_output=True, text=True, timeout=300)


def test_the_example_is_one_file_one_yaml_and_a_recipe():
    files = [place(block) for block in blocks(EXTEND) if block.language in ("python", "yaml")]
    assert files == [
        "src/darkroom/diffusion/samplers/adams.py",
        "conf/sampler/adams.yaml",
        "conf/experiment/shapes_cosine.yaml",
    ]
    assert not [file for file in files if (ROOT / file).exists()]


def test_the_worked_example_passes_the_tests_that_it_names(copy):
    for words in commands(EXTEND):
        if words[:2] == ["python", "-m"] or words[0] == "sed":
            done = in_copy(copy, *([sys.executable, *words[1:]] if words[0] == "python" else words))
            assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
    assert " passed" in done.stdout


def test_the_words_of_the_example_pass_the_check(copy):
    commands = list(python_commands(EXTEND))
    assert commands
    code = f"""
import pathlib
from darkroom.commands.checking.check import check
for command, argv in {commands!r}:
    print(argv, *check(command, argv, pathlib.Path("conf").resolve()), sep="\\n", end="\\n\\n")
"""
    done = in_copy(copy, sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n\n")[:-1] == [str(argv) for _, argv in commands]


def test_the_example_is_written_as_the_house_is(copy):
    ruff = str(Path(sys.executable).with_name("ruff"))
    if not Path(ruff).exists():
        pytest.skip("ruff is not installed; it comes with the extra `lint`")
    for command in (["check", "--no-cache"], ["format", "--no-cache", "--check"]):
        done = in_copy(copy, ruff, *command, "src/darkroom/diffusion/samplers/adams.py")
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if page not in (EXTEND, README)], ids=lambda page: page.name)
def test_every_command_of_a_page_passes_the_check(page, tmp_path, monkeypatch):
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("darkroom.commands.checking.devices.gpus", lambda: 8)  # a page may speak to those who have them
    for name, argv in python_commands(page):
        assert not argv or check(name, argv, CONF) == [], argv
        for written in (word.partition("=")[2] for word in argv if word.startswith("statistics_out=")):
            Path(written).touch()  # the next command may read it


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_target_that_a_page_makes_is_in_the_makefile(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = re.findall(r"`make ([\w-]+)`", page.read_text(encoding="utf-8"))
    made += [words[1] for words in commands(page) if words[0] == "make"]
    assert set(made) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page):
    """Paths in backticks that begin at the root; the worked example's own are not there on purpose."""
    named = re.findall(r"`((?:src|conf|tests|benchmarks)/[\w/.]+)`", page.read_text(encoding="utf-8"))
    example = {place(block) for block in blocks(EXTEND) if block.language in ("python", "yaml")}
    assert not [name for name in named if name not in example and not (ROOT / name).exists()]
