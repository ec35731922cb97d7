"""What of the config Lightning is told otherwise, and what is said at the end."""

from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf

from darkroom.commands import fit, parts, train
from darkroom.commands.console import console
from darkroom.commands.fit import accelerator, close, know_pictures, of_other_pictures, overfitted, settled
from darkroom.data.shapes.source import Shapes
from darkroom.runs.folder import Run


@pytest.mark.parametrize(
    ("asked", "gpu", "told"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("gpu", True, "gpu")],
)
def test_auto_is_a_gpu_of_nvidia_or_the_cpu(monkeypatch, asked, gpu, told):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert accelerator(OmegaConf.create({"accelerator": asked})) == told


@pytest.mark.parametrize(("given", "told"), [({"overfit_batches": 2}, 6), ({"overfit_batches": 0.5}, 0.5), ({}, 0.0)])
def test_batches_to_overfit_are_global_ones_and_a_share_stays_one(given, told):
    assert overfitted(OmegaConf.create({"accumulate_grad_batches": 3, **given})) == told


@pytest.mark.parametrize(
    ("units", "given", "told", "warned"),
    [
        (True, None, "bf16-mixed", False),
        (False, None, "32-true", False),
        (True, "32-true", "32-true", False),
        (False, "bf16-mixed", "bf16-mixed", True),  # a run that was begun on another machine
    ],
)
def test_precision_is_what_the_machine_has_units_for(monkeypatch, capsys, units, given, told, warned):
    monkeypatch.setattr(fit, "multiplies_bf16", lambda _: units)
    config = OmegaConf.create({"trainer": {"accelerator": "cpu", "precision": given}})
    assert settled(config).trainer.precision == told
    assert config.trainer.precision == given  # a sweep's next job may run elsewhere
    assert ("trainer.precision=bf16-mixed: there are no units" in capsys.readouterr().out) == warned


def test_the_closing_line_names_the_folder_whatever_its_name_holds(tmp_path, capsys):
    run = Run(tmp_path / "my logs, [old][/b] :cat:")
    close(run, [])
    assert capsys.readouterr().out == f"the run:               {run.path}\n"


def test_a_first_stage_of_other_pictures_is_told(tmp_path, artifact):
    artifact(tmp_path / "first", resolution=64, data_fingerprint="abc")

    def told(**here):
        return of_other_pictures(OmegaConf.create({"first_stage": {"path": str(tmp_path / "first")}, **here}))

    assert told(resolution=64, data_fingerprint="abc") is None
    assert "pictures of 64 pixels, and this run has resolution=32" in told(resolution=32, data_fingerprint="abd")
    assert "other pictures than this run's" in told(resolution=64, data_fingerprint="abd")
    assert of_other_pictures(OmegaConf.create({"first_stage": {"_target_": "identity"}})) is None


def test_of_several_processes_the_first_alone_reads_all_pictures(tmp_path):
    source = Shapes(train_size=8, validation_size=1)
    config, run, found = OmegaConf.create({"data_fingerprint": "abc"}), Run(tmp_path), source.fingerprint
    know_pictures(config, run, source, first=False)
    assert source.fingerprint == "abc"  # as the first has told it
    know_pictures(OmegaConf.create({}), run, Shapes(train_size=8, validation_size=1), first=False)  # which has not
    with pytest.raises(ValueError, match=r"^data_fingerprint=abc\.\.\.: the run's pictures are not what they were"):
        know_pictures(config, run, Shapes(train_size=8, validation_size=1), first=True)
    config.data_fingerprint = None
    know_pictures(config, run, Shapes(train_size=8, validation_size=1), first=True)
    assert config.data_fingerprint == found


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
