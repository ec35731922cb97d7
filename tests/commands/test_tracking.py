from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from darkroom.commands import tracking
from darkroom.runs.folder import Run


@pytest.mark.parametrize(("step", "tracked"), [(3, False), (5, True)])
def test_a_training_that_is_not_at_its_own_end_is_not_disturbed_and_a_line_says_so(
    tmp_path, monkeypatch, capsys, step, tracked
):
    told = []
    logger = SimpleNamespace(log_evaluation=told.append, close=lambda: None)
    monkeypatch.setattr(tracking, "build", lambda _: lambda _: logger)
    monkeypatch.setattr(Run, "trained", lambda _: tmp_path / f"step-{step}.ckpt")
    monkeypatch.setattr(tracking, "step_of", lambda path: int(path.stem.removeprefix("step-")))
    (tmp_path / "wandb").mkdir()
    config = {"logger": {"wandb": {"_target_": "a.WandbRun"}}, "max_steps": 100, "trainer": {"max_steps": 5}}
    OmegaConf.save(config, tmp_path / "config.yaml")
    tracking.track(Run(tmp_path), {"val_psnr": 30.0})
    assert told == ([{"val_psnr": 30.0}] if tracked else [])
    assert ("not told to W&B: the training is at step 3 of 5" in capsys.readouterr().out) is not tracked
