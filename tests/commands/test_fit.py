"""What of the config Lightning is told otherwise, and which process tries the parts."""

from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from darkroom.commands import fit, parts, train
from darkroom.commands.console import console
from darkroom.commands.fit import overfitted


@pytest.mark.parametrize(("given", "told"), [({"overfit_batches": 2}, 6), ({"overfit_batches": 0.5}, 0.5), ({}, 0.0)])
def test_batches_to_overfit_are_global_ones_and_a_share_stays_one(given, told):
    assert overfitted(OmegaConf.create({"accumulate_grad_batches": 3, **given})) == told


@pytest.mark.parametrize(("rank", "times"), [(None, 1), ("0", 1), ("1", 0)])
def test_the_first_of_several_processes_alone_tries_the_parts(tmp_path, monkeypatch, rank, times):
    tried = []
    monkeypatch.setattr(parts, "try_parts", lambda *given: tried.append(given))
    monkeypatch.setattr(fit, "fit", lambda *_: None)
    monkeypatch.setattr(train, "build", lambda _: SimpleNamespace(resolution=8))
    monkeypatch.setattr(train, "crowding", lambda _: None)
    here = OmegaConf.create({"runtime": {"output_dir": str(tmp_path)}})
    monkeypatch.setattr(train.HydraConfig, "get", lambda: here)
    monkeypatch.setattr(console, "quiet", False)  # and back, whatever the command makes of it
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    train.run(OmegaConf.create({"experiment": "x", "data": {}}))
    assert len(tried) == times
