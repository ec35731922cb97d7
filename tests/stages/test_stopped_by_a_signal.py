"""A signal costs a training nothing: what goes on is the training that would have been."""

import signal

import pytest
from tiny import AUTOENCODER, DIFFUSION, checkpoint, differences, rows, train

from darkroom.callbacks.interruption import Stopped
from darkroom.stages.base import Stage

STEPS = ["max_steps=6", "trainer.val_check_interval=6"]


@pytest.mark.parametrize("recipe", [AUTOENCODER, DIFFUSION], ids=["autoencoder", "diffusion"])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, monkeypatch, capsys, recipe):
    whole = train(tmp_path / "whole", recipe, *STEPS)
    step = Stage.training_step

    def signalled(self, batch, place):
        if self.global_step == 3:
            signal.raise_signal(signal.SIGTERM)
        return step(self, batch, place)

    monkeypatch.setattr(Stage, "training_step", signalled)
    with pytest.raises(Stopped):
        train(tmp_path / "cut", recipe, *STEPS)
    said = capsys.readouterr().out
    assert f"stopped by SIGTERM: saved is {tmp_path}/cut/checkpoints/step-00000004.ckpt\n" in said
    assert f"python train.py resume={tmp_path}/cut\n" in said
    monkeypatch.setattr(Stage, "training_step", step)
    cut = train(tmp_path / "cut", recipe, *STEPS)
    clocks = ("/cost/elapsed", "/cost/last", "/cost/spent", "/Summary/seconds")
    assert [each for each in differences(checkpoint(whole), checkpoint(cut)) if not each.endswith(clocks)] == []
    assert rows(whole, "train/loss", "gradient_norm") == rows(cut, "train/loss", "gradient_norm")
    assert len(rows(cut, "train/loss")) == 3
