import json

import pytest
import torch
from torch import nn

from darkroom.runs.folder import Run
from darkroom.runs.summary import parameter_counts, provenance, update_summary


def test_later_facts_join_earlier_ones_and_the_file_stays_flat_json(tmp_path):
    run = Run(tmp_path)
    assert run.summary == {}
    update_summary(run, {"val/psnr": torch.tensor(31.5), "seconds": 2.0})
    update_summary(run, {"seconds": 3.0, "val/loss": float("nan")})
    assert run.summary == {"val/psnr": 31.5, "seconds": 3.0, "val/loss": None}
    strict = json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)
    assert not any(isinstance(value, dict | list) for value in strict.values())


def test_parameters_are_counted_by_part_and_frozen_ones_apart():
    net = nn.ModuleDict({"encoder": nn.Linear(3, 4), "frozen": nn.Linear(2, 2).requires_grad_(False), "act": nn.GELU()})
    assert parameter_counts(net) == {
        "parameters": 22,
        "parameters_trained": 16,
        "parameters/encoder": 16,
        "parameters/frozen": 6,
    }


def test_the_code_that_ran_is_named():
    facts = provenance(torch.device("cpu"))
    assert facts["version/torch"] == torch.__version__.split("+")[0]
    assert facts["git_commit"] is None or len(facts["git_commit"].removesuffix("-dirty")) == 40
    assert facts["device"]
