from types import SimpleNamespace
from zipfile import ZipFile

import pytest
from omegaconf import OmegaConf

from darkroom.commands import tracking
from darkroom.runs.checkpoint import checkpoint_path
from darkroom.runs.folder import Run


@pytest.mark.parametrize(
    ("step", "may", "words"),
    [
        (5, True, None),
        (3, True, "the training is at step 3 of 5"),
        (None, True, "no checkpoint in "),  # of an autoencoder whose artifact is enough to evaluate it
        (5, False, "wandb cannot be written to"),
    ],
)
def test_a_training_that_is_not_at_its_end_or_takes_no_files_is_not_disturbed_and_a_line_says_so(
    tmp_path, monkeypatch, capsys, step, may, words
):
    told = []
    logger = SimpleNamespace(log_evaluation=told.append, close=lambda: None)
    monkeypatch.setattr(tracking, "build", lambda _: lambda _: logger)
    monkeypatch.setattr(tracking.os, "access", lambda *_: may)
    for name in ("wandb", "checkpoints"):
        (tmp_path / name).mkdir()
    if step is not None:
        ZipFile(checkpoint_path(Run(tmp_path).checkpoints, step), "w").close()  # whole, as far as that is looked at
    config = {"logger": {"wandb": {"_target_": "a.WandbRun"}}, "max_steps": 100, "trainer": {"max_steps": 5}}
    OmegaConf.save(config, tmp_path / "config.yaml")
    tracking.track(Run(tmp_path), {"val_psnr": 30.0})
    said = capsys.readouterr().out
    assert told == ([{"val_psnr": 30.0}] if words is None else [])
    assert said == "" if words is None else said.startswith("not told to W&B: ") and words in said
