"""An install from a bare clone is repeatable, and needs Python, make and an ordinary package index."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = [*PROJECT["dependencies"], *(text for extra in PROJECT["optional-dependencies"].values() for text in extra)]
TARGETS = ("install", "demo", "test", "test-all", "lint", "format")


def pins() -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in LINES)}


def test_every_line_is_one_version_of_one_package_and_names_no_place():
    assert not [line for line in LINES if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line)]
    assert len(pins()) == len(LINES)


@pytest.mark.parametrize("text", WANTED)
def test_what_the_package_and_its_extras_want_is_pinned(text):
    wanted = Requirement(text)
    assert wanted.specifier.contains(pins()[canonicalize_name(wanted.name)])


def test_torch_and_torchvision_are_a_pair():
    torch, torchvision = (pins()[name].split(".") for name in ("torch", "torchvision"))
    assert int(torchvision[1]) == int(torch[1]) + 15  # 2.14 goes with 0.29


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_starts_from_a_bare_clone(target, tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(["make", "--dry-run", target], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "-m venv .venv" in done.stdout
    assert "pip install --quiet --constraint constraints.txt --editable '.[test,lint]'" in done.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_a_python_that_is_too_old_makes_no_environment(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "old"  # answers as a Python below 3.11 does when it is asked for its version
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(["make", "install", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert not (tmp_path / ".venv").exists()
