"""``make demo``, tiny: its four commands in turn, and what it ends by naming."""

import json

import pytest
from PIL import Image
from recipes import ROOT

from darkroom.commands import demo
from darkroom.runs.folder import Run

KEYS = {  # of summary.json, at least
    "seconds",
    "autoencoder_seconds",
    "diffusion_seconds",
    "val_psnr",
    "prompt_accuracy",
    "prompt_accuracy_held_out",
    "prompt_accuracy_real",
    "images_per_second",
}
TINY = [
    "max_steps=3",
    "batch_size=4",
    "data.train_size=32",
    "data.validation_size=8",
    "trainer.val_check_interval=3",
    "callback.distribution.n=5",
    "callback.distribution.n_reference=6",
    "logger=csv",
    "compile=false",
]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_demo_leaves_its_pictures_and_its_summary(tmp_path, monkeypatch, capfd):
    """In a folder of its own, where its commands are links to those of the repository."""
    for name in ("train", "sample", "evaluate"):
        (tmp_path / f"{name}.py").symlink_to(ROOT / f"{name}.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "_root", lambda: tmp_path)
    assert demo.main(TINY) == 0

    summary = json.loads((demo.LOGS / "summary.json").read_text())
    assert summary.keys() >= KEYS
    assert all(isinstance(summary[key], int | float) for key in KEYS)
    parts = sum(summary[f"{name}_seconds"] for name in ("autoencoder", "diffusion", "evaluation", "sampling"))
    assert summary["seconds"] == pytest.approx(parts)
    said = capfd.readouterr().out
    for name in ("samples.png", "reconstructions.png"):
        assert str(demo.LOGS / name) in said
        assert min(Image.open(demo.LOGS / name).size) > 64  # a sheet
    assert str(demo.LOGS / "summary.json") in said


def test_a_demo_without_reconstructions_is_told_so(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        demo.finish(Run(tmp_path / "first"), Run(tmp_path / "second"), {})
    assert caught.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path / 'first' / 'samples'}: the training left no reconstructions there; ")
