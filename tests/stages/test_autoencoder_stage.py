"""The first stage through the real trainer, up to the artifact that its training leaves."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import AUTOENCODER, DIFFUSION, checkpoint, differences, rows, train

from darkroom.autoencoding.first_stage import load_artifact, read_hash
from darkroom.build import build
from darkroom.contracts import to_float, to_uint8
from darkroom.data.shapes.source import Shapes
from darkroom.metrics.paired import bicubic_roundtrip, psnr
from darkroom.runs.failure import load_failure
from darkroom.runs.folder import Run
from darkroom.runs.summary import update_summary

pytestmark = pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers")
STEPS = ["max_steps=6", "trainer.val_check_interval=6"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return train(tmp_path_factory.mktemp("runs") / "first", AUTOENCODER, *STEPS)


@pytest.fixture(scope="module")
def source() -> Shapes:
    return Shapes(resolution=32, train_size=24, validation_size=6)


def test_the_artifact_holds_the_averaged_weights_and_the_statistics_of_the_training_set(run, source):
    first_stage, held = load_artifact(run.path), checkpoint(run)
    average = held["callbacks"]["EMA"]["weights"]
    assert differences(average, {k: v for k, v in first_stage.autoencoder.state_dict().items() if k in average}) == []
    with torch.inference_mode():
        posterior = first_stage.encode(to_float(source.split("train").oriented(range(24), mirrored=False)))
    second_moment = posterior.mean.square() + posterior.std.square()
    torch.testing.assert_close(posterior.mean.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-4)
    torch.testing.assert_close(second_moment.mean((0, 2, 3)), torch.ones(4), rtol=0, atol=1e-4)


def test_validation_is_on_means_of_the_averaged_weights_beside_bicubic(run, source):
    pictures = source.split("validation").oriented(range(6), mirrored=False)
    autoencoder = load_artifact(run.path).autoencoder
    with torch.inference_mode():
        made = to_uint8(autoencoder.decode(autoencoder.encode(to_float(pictures)).mean))
    ((_, ours, bicubic),) = rows(run, "val/psnr", "val/bicubic_psnr")
    assert float(ours) == pytest.approx(psnr(pictures, made).mean().item(), abs=1e-3)
    assert float(bicubic) == pytest.approx(psnr(pictures, bicubic_roundtrip(pictures, 8)).mean().item(), abs=1e-3)


def test_bicubic_is_measured_once_and_logged_at_every_validation(run, tmp_path, monkeypatch):
    pictures = []

    def counted(picture, factor):
        pictures.append(len(picture))
        return bicubic_roundtrip(picture, factor)

    monkeypatch.setattr("darkroom.stages.autoencoder.bicubic_roundtrip", counted)
    steps = ("max_steps=4", "trainer.val_check_interval=2", "trainer.num_sanity_val_steps=1")
    often = train(tmp_path / "often", AUTOENCODER, "batch_size=4", *steps)
    assert pictures == [4, 4, 2]  # the sanity check's first batch is not the whole set
    names = ("val/bicubic_psnr", "val/bicubic_ssim")
    (first, *_), (second, *_) = found = rows(often, *names)
    assert (first, second) == ("2", "4") and found[0][1:] == found[1][1:]
    ((_, *whole),) = rows(run, *names)
    assert [float(value) for value in found[0][1:]] == pytest.approx([float(value) for value in whole], rel=1e-6)


def test_every_term_of_the_loss_is_logged_and_they_add_up(run):
    weights = {"l1": 1.0, "kl": 1e-6}
    for _, loss, *terms in rows(run, "train/loss", *(f"train/{name}" for name in weights)):
        total = sum(weight * float(term) for weight, term in zip(weights.values(), terms, strict=True))
        assert float(loss) == pytest.approx(total, rel=1e-5)


def test_reconstructions_are_drawn_at_every_validation(run):
    names = sorted(path.name for path in run.samples.glob("*.png"))
    assert names == ["first_batch-00000000.png", "reconstructions-00000006.png"]


def test_the_first_batch_is_shown_as_it_is_encoded_after_its_augmentation(run, tmp_path):
    node = "{_target_: darkroom.autoencoding.augmentation.PermutedColours, share: 1.0}"
    permuted = train(tmp_path / "permuted", AUTOENCODER, "max_steps=1", f"stage.augmentation={node}")
    plain, turned = (np.asarray(Image.open(one.samples / "first_batch-00000000.png")) for one in (run, permuted))
    assert (plain != turned).any()
    np.testing.assert_array_equal(np.sort(plain, axis=2), np.sort(turned, axis=2))


def test_a_run_killed_before_its_artifact_writes_it_when_it_is_resumed(run, tmp_path):
    cut = train(tmp_path / "cut", AUTOENCODER, *STEPS)
    assert read_hash(cut.first_stage) == read_hash(run.first_stage)  # the same training
    written = cut.first_stage.rename(tmp_path / "written")
    train(cut.path, AUTOENCODER, *STEPS)
    assert read_hash(cut.first_stage) == read_hash(written)


def test_a_finished_run_that_is_resumed_writes_no_second_artifact(run):
    before = read_hash(run.first_stage)
    train(run.path, AUTOENCODER, *STEPS)
    assert read_hash(run.first_stage) == before
    assert [path.name for path in run.path.glob("first_stage*")] == ["first_stage"]


def test_a_run_that_is_done_says_so_and_how_to_train_on(run, monkeypatch, capsys):
    began = []
    monkeypatch.setattr("darkroom.commands.fit.loggers", lambda *_: began.append(True) or [])
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.suffix != ".yaml"}
    train(run.path, AUTOENCODER, *STEPS)
    said = capsys.readouterr().out
    assert (
        f"has done its 6 steps, nothing is trained; for more: python train.py resume={run.path} max_steps=M\n" in said
    )
    after = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.suffix != ".yaml"}
    assert (began, after) == ([], before)


def test_a_run_killed_before_its_loggers_were_closed_closes_them_when_it_is_resumed(run, monkeypatch, capsys):
    began = []
    monkeypatch.setattr("darkroom.commands.fit.loggers", lambda *_: began.append(True) or [])
    update_summary(run, {"closed": False})
    train(run.path, AUTOENCODER, *STEPS)
    assert began and "nothing is trained" not in capsys.readouterr().out
    assert run.summary["closed"] is True


def test_an_autoencoder_that_is_trained_on_leaves_the_first_artifact_alone(tmp_path):
    first = train(tmp_path / "run", AUTOENCODER, "max_steps=2", "trainer.val_check_interval=100")
    before = read_hash(first.first_stage)
    train(first.path, AUTOENCODER, "max_steps=3", "trainer.val_check_interval=100")
    assert read_hash(first.first_stage) == before
    assert read_hash(first.path / "first_stage-00000003") != before


def test_checkpoints_may_be_left_out(tmp_path):
    run = train(tmp_path / "run", AUTOENCODER, "callback.checkpoints=null", "max_steps=4")
    assert run.first_stage.is_dir()
    assert not list(run.path.rglob("*.ckpt"))


def test_the_last_step_is_validated_wherever_it_falls(tmp_path):
    run = train(tmp_path / "run", AUTOENCODER, "max_steps=5", "trainer.val_check_interval=2")
    assert [row[0] for row in rows(run, "val/psnr")] == ["2", "4", "5"]
    assert run.summary["val/psnr"] == pytest.approx(float(rows(run, "val/psnr")[-1][1]))
    assert sorted(path.stem for path in run.samples.glob("reconstructions-*.png"))[-1].endswith("5")
    train(run.path, AUTOENCODER, "max_steps=7", "trainer.val_check_interval=2")
    assert [row[0] for row in rows(run, "val/psnr")] == ["2", "4", "5", "6", "7"]


def test_the_last_step_is_validated_once_where_it_is_due(tmp_path):
    steps = ("max_steps=4", "trainer.val_check_interval=2", "trainer.accumulate_grad_batches=2")
    run = train(tmp_path / "run", AUTOENCODER, *steps)
    assert [row[0] for row in rows(run, "val/psnr")] == ["2", "4"]


def test_a_second_stage_trains_on_it_and_keeps_a_copy(run, tmp_path):
    second = train(
        tmp_path / "second",
        DIFFUSION,
        "first_stage=artifact",
        f"first_stage.path={run.path}",
        "network.patch=2",
        "max_steps=2",
        "trainer.val_check_interval=100",
    )
    assert read_hash(second.first_stage) == read_hash(run.first_stage) == checkpoint(second)["first_stage_hash"]
    facts = json.loads((second.first_stage / "latents.json").read_text())
    assert facts["shape"] == [4, 4, 4]


def test_a_training_that_explodes_stops_with_a_batch_that_reproduces_it(tmp_path):
    with pytest.raises(ValueError, match="not finite at step") as caught:
        train(tmp_path / "run", AUTOENCODER, "max_steps=20", "optimizer.lr=1e30", "callback.finite.max_skipped=1")
    [path] = (tmp_path / "run").glob("failure-*.pt")
    assert str(path) in str(caught.value)
    failure, config = load_failure(path), Run(tmp_path / "run").config
    stage = build(config.stage)
    stage.load_state_dict(failure.weights)
    losses = stage.training_losses(failure.batches[0])
    assert not losses["loss"].isfinite()


def test_an_infinite_loss_spoils_its_gradient_even_where_that_looks_well(tmp_path):
    train(tmp_path / "run", AUTOENCODER, "max_steps=1")
    stage = build(Run(tmp_path / "run").config.stage)
    weight = next(stage.parameters())
    stage.training_losses = lambda _: {"loss": weight.sum() + torch.inf}  # its gradient is one everywhere
    stage.training_step(None, 0).backward()
    assert weight.grad.isnan().all()
