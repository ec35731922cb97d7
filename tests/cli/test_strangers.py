"""A folder from elsewhere is data: what in it would run code is refused in one line, and nothing of it runs."""

import ast
import json
import os
from pathlib import Path

import lightning
import open_clip
import pytest
import torch
from commands.trained import AUTOENCODER, CONF, SHAPES, autoencoder_run, diffusion_run
from torch import nn

from darkroom.autoencoding.artifact import hash_of
from darkroom.commands import sample, train
from darkroom.runs.checkpoint import checkpoint_path
from darkroom.runs.folder import Run

SOURCE = Path(__file__).resolve().parents[2] / "src" / "darkroom"
TINY = ["trainer=cpu", "logger=csv", "max_steps=2", "batch_size=4", "callback.progress=null"]
FIRST = ["experiment=shapes_autoencoder", "resolution=32", *SHAPES, *AUTOENCODER, *TINY]
SECOND = ["experiment=shapes_latent_diffusion", "resolution=32", *SHAPES, *TINY, "first_stage.path=run"]
CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 1},
}


class Trap:
    """Makes a folder when a reader loads it that runs code."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def answered(capsys: pytest.CaptureFixture, main, argv: list[str]) -> str:
    """The one line with which the command ends."""
    capsys.readouterr()
    assert main(argv, CONF) == 2
    [line] = capsys.readouterr().err.splitlines()
    return line


def set_trap(run: Run) -> None:
    path = checkpoint_path(run.checkpoints, 1)
    torch.save({"state_dict": {}, "callbacks": {}, "trap": Trap()}, path)
    torch.load(path, weights_only=False)
    Path("sprung").rmdir()  # so it works


def test_a_runs_own_folder_of_hydra_is_not_obeyed(capsys):
    autoencoder_run(Path("run"), *TINY)
    own = Path("run", "hydra", "default.yaml")
    own.parent.mkdir()
    own.write_text("callbacks: {x: {_target_: shutil.copy, src: run/config.yaml, dst: stolen}}\n")
    before = contents()
    line = answered(capsys, train.main, ["resume=run"])
    assert line.startswith("resume=run: Hydra would obey what lies in run/hydra")
    assert contents() == before


@pytest.mark.parametrize(
    ("made", "main", "argv"),
    [
        (autoencoder_run, train.main, ["resume=run"]),
        (autoencoder_run, train.main, [*FIRST, "init=run"]),
        (diffusion_run, sample.main, ["run=run"]),
    ],
    ids=["resume", "init", "run"],
)
def test_a_checkpoint_that_would_run_code_is_not_loaded(capsys, made, main, argv):
    set_trap(made(Path("run"), *TINY))
    before = contents()
    line = answered(capsys, main, argv)
    assert "step-00000001.ckpt: holds other things than tensors" in line
    assert not Path("sprung").exists()
    assert contents() == before


def contents() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_an_artifact_that_names_code_builds_nothing(capsys):
    autoencoder_run(Path("run"))
    folder = Path("run", "first_stage")
    (folder / "config.yaml").write_text("{_target_: torch.os.mkdir, path: sprung}")
    (folder / "HASH").write_text(hash_of(folder))
    line = answered(capsys, train.main, SECOND)
    assert "torch.os.mkdir is nothing that a config may build" in line
    assert not Path("sprung").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit", "ignore:.*TorchScript")
def test_the_program_beside_the_weights_that_a_run_names_is_not_loaded(capsys, monkeypatch):
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("its code would have run"))
    Path("configs").mkdir()
    Path("configs", "darkroom-stranger.json").write_text(json.dumps(CLIP))
    open_clip.add_model_config(Path("configs"))
    torch.jit.script(nn.Linear(2, 2)).save("clip.pt")
    run = diffusion_run(Path("run"))
    target = "darkroom.conditioning.pretrained_text.PretrainedText"
    config = run.config.copy()
    config.conditioner = {"_target_": target, "model": "darkroom-stranger", "pretrained": "clip.pt"}
    run.write_config(config)
    assert "clip.pt has no " in answered(capsys, sample.main, ["run=run", "prompt=a cat"])


@pytest.mark.parametrize(
    ("argument", "words"),
    [({"folder": "sprung"}, "folder=sprung is not a config's to say"), ({"entity": "https://x"}, "is an address")],
)
def test_where_a_logger_writes_is_not_for_a_run_to_say(capsys, argument, words):
    run = autoencoder_run(Path("run"), *TINY)
    config = run.config.copy()
    config.logger = {"wandb": {"_target_": "darkroom.runs.wandb_run.WandbRun", "_partial_": True, **argument}}
    run.write_config(config)
    assert words in answered(capsys, train.main, ["resume=run"])
    assert not Path("sprung").exists()


@pytest.mark.parametrize(("main", "argv"), [(sample.main, ["run=run"]), (train.main, ["resume=run"])])
def test_weights_of_another_first_stage_are_named_by_its_hash(capsys, main, argv):
    path = checkpoint_path(diffusion_run(Path("run"), *TINY).checkpoints, 1)
    losses = {"sums": {}, "batches": 0, "a_step": 1}
    made = {"pytorch-lightning_version": lightning.__version__, "losses": losses}
    torch.save(torch.load(path) | made | {"first_stage_hash": "0123456789abcdef"}, path)
    line = answered(capsys, main, argv)
    assert "0123456789ab" in line
    assert "identity" in line


@pytest.mark.parametrize("more", [["max_steps=9"], ["trainer=debug", "trainer.accelerator=cpu"]])
def test_a_loss_that_is_not_finite_ends_the_run_in_one_line_that_names_what_is_kept(capsys, more):
    argv = [*FIRST, "optimizer.lr=1e30", "lr_schedule=constant", "callback.finite.max_skipped=0", *more]
    argv = [each for each in argv if each != "max_steps=2" and not ("trainer=debug" in more and each == "trainer=cpu")]
    line = answered(capsys, train.main, argv)
    assert "the loss or its gradient is not finite at step" in line
    assert "optimizer.lr" in line
    [kept] = Path("logs", "autoencoder").rglob("failure-*.pt")
    assert str(kept) in line


def test_lightning_is_told_to_run_no_code_of_a_checkpoint(monkeypatch):
    """By itself it would, where a strategy reads checkpoints that are spread over processes."""
    given: dict[str, object] = {}
    monkeypatch.setattr("lightning.pytorch.Trainer.fit", lambda *_, **more: given.update(more))
    assert train.main(FIRST, CONF) == 0
    assert given["weights_only"] is True


def test_no_reader_in_the_house_runs_code():
    wanted = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
    found = 0
    for path in SOURCE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
            assert name not in {"torch.jit.load", "torch.hub.load", "pickle.load", "pickle.loads", "eval", "exec"}, path
            if name in wanted:
                found += 1
                key, value = wanted[name]
                [said] = [each.value for each in call.keywords if each.arg == key]
                assert ast.unparse(said) in (str(value), f"{key} is not False"), path
    assert found > 2
