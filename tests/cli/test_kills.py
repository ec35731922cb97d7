"""A small share of ``make stress``: what is killed at any moment goes on as if it had not been."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("stages", [["autoencoder"], pytest.param(["latent_diffusion"], marks=pytest.mark.slow)])
def test_a_training_that_is_killed_ends_as_one_that_is_not(stages):
    command = [sys.executable, str(ROOT / "benchmarks" / "stress.py"), "--kills", "1", "--processes", "1"]
    command += ["--steps", "30"]  # a checkpoint every 7, a validation every 14
    done = subprocess.run([*command, "--stages", *stages], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"kills": 1, "equal": 1}
