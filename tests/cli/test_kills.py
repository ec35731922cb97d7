"""A small share of ``make stress``: what is killed at any moment goes on as if it had not been."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kills", [1, pytest.param(2, marks=pytest.mark.slow, id="one of each stage")])
def test_trainings_that_are_killed_end_as_one_that_is_not(kills):
    command = [sys.executable, str(ROOT / "benchmarks" / "stress.py"), "--kills", str(kills), "--processes", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"kills": kills, "equal": kills}
