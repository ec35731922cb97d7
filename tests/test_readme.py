"""The README says what is true: its commands start, its experiments are all there, its error is the program's own."""

import re
import shlex

import pytest
from documents import CONF, ROOT, blocks, furnish, python_commands

from darkroom.commands import train
from darkroom.commands.checking.check import check

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
COMMANDS = python_commands(README)


def test_the_commands_of_each_kind_are_there():
    assert {name for name, _ in COMMANDS} == {"train", "sample", "evaluate"}
    assert len(COMMANDS) > 12


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("furnished")
    furnish(folder)
    return folder


@pytest.mark.parametrize(("name", "argv"), [pytest.param(*each, id=shlex.join(each[1])[:60]) for each in COMMANDS])
def test_a_command_of_the_readme_passes_the_check(name, argv, furnished, monkeypatch):
    monkeypatch.chdir(furnished)
    monkeypatch.setenv("TORCH_HOME", str(furnished))
    monkeypatch.setattr("darkroom.commands.checking.devices.gpus", lambda: 8)  # a page may speak to those who have them
    assert not argv or check(name, argv, CONF) == []


def test_train_alone_lists_the_experiments_of_the_table(capsys):
    assert train.main([], CONF) == 2
    listed = re.findall(r"^  (\w+)  ", capsys.readouterr().out, re.MULTILINE)
    assert sorted(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == sorted(listed)
    assert sorted(listed) == sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


def test_the_mistake_is_answered_in_the_words_that_the_readme_shows():
    (shown,) = (block for block in blocks(README) if block.text.startswith("$ "))
    command, answer = shown.text.strip().splitlines()
    assert check("train", shlex.split(command)[3:], CONF) == [answer]
