import json
import re
from pathlib import Path

import pytest
import torch

from darkroom.runs import machine


def test_the_rate_is_measured_once_and_then_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "_SECONDS", 0.01)
    cpu = torch.device("cpu")
    rate = machine.matmul_rate(cpu, torch.float32)
    assert 1e8 < rate < 1e15
    stored = tmp_path / "darkroom" / "matmul_rates.json"
    assert list(json.loads(stored.read_text()).values()) == [rate]
    monkeypatch.setattr(machine, "_measure", lambda *_: pytest.fail("measured again"))
    assert machine.matmul_rate(cpu, torch.float32) == rate


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("bf16-mixed", torch.bfloat16),
        ("32-true", torch.float32),
    ],
)
def test_products_run_in_the_type_of_the_precision(precision, dtype):
    assert machine.compute_dtype(precision) is dtype


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the system tells of its processor elsewhere")
def test_bf16_units_are_those_that_the_system_tells_of():
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    known = {"amx_bf16", "avx512_bf16", "bf16"} & set(flags[1].split() if flags else ())
    assert machine.multiplies_bf16(torch.device("cpu")) == bool(known)


def test_peak_memory_covers_what_was_allocated():
    held = torch.ones(30_000_000)
    assert machine.peak_memory(torch.device("cpu")) > held.nbytes
