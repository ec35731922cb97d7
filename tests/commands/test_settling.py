"""What machine and data decide of a config."""

import pytest
import torch
from omegaconf import OmegaConf

from darkroom.commands import settling
from darkroom.commands.settling import accelerator, know_pictures, of_other_pictures, settled
from darkroom.data.shapes.source import Shapes
from darkroom.runs.folder import Run


@pytest.mark.parametrize(
    ("asked", "gpu", "told"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("gpu", True, "gpu")],
)
def test_auto_is_a_gpu_of_nvidia_or_the_cpu(monkeypatch, asked, gpu, told):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert accelerator(OmegaConf.create({"accelerator": asked})) == told


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
    monkeypatch.setattr(settling, "multiplies_bf16", lambda _: units)
    config = OmegaConf.create({"trainer": {"accelerator": "cpu", "precision": given}})
    assert settled(config).trainer.precision == told
    assert config.trainer.precision == given  # a sweep's next job may run elsewhere
    assert ("trainer.precision=bf16-mixed: there are no units" in capsys.readouterr().out) == warned


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
