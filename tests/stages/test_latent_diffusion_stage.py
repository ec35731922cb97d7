"""The second stage through the real trainer: resume, accumulation, and whose latents it learns."""

import math
import shutil
from pathlib import Path

import jaxtyping
import pytest
import torch
from PIL import Image
from tiny import DIFFUSION, checkpoint, differences, rows, train

from darkroom.autoencoding.first_stage import Identity
from darkroom.build import build
from darkroom.contracts import Prompts
from darkroom.keys import keys
from darkroom.runs.folder import Run
from darkroom.stages.compilation import compile_regions
from darkroom.stages.latent_diffusion import LatentDiffusionStage, MeanLoss

STEPS = ["max_steps=8", "callback.checkpoints.every_n_steps=3", "callback.checkpoints.keep=9"]
LOGGED = ("train/loss", "train/lr", "gradient_norm", "val/loss")
pytestmark = pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Run:
    """An uninterrupted run of 8 steps with checkpoints after 3 and 6."""
    return train(tmp_path_factory.mktemp("runs") / "whole", DIFFUSION, *STEPS)


def killed(run: Run, step: int, folder: Path) -> Run:
    """A copy of ``run`` as a kill soon after the checkpoint of ``step`` would leave it."""
    shutil.copytree(run.path, folder)
    for path in (folder / "checkpoints").glob("step-*.ckpt"):
        if path.name > f"step-{step:08d}.ckpt":
            path.unlink()
    return Run(folder)


@pytest.mark.parametrize("step", [3, 6])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(whole, step, tmp_path):
    """Step 3 lies between two logs, before a validation; 6 lies on a log."""
    cut = killed(whole, step, tmp_path / "killed")
    assert cut.latest().name == f"step-{step:08d}.ckpt"
    resumed = train(cut.path, DIFFUSION, *STEPS)
    one, other = checkpoint(whole), checkpoint(resumed)
    assert one["global_step"] == other["global_step"] == 8
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        assert differences(one[part], other[part]) == []
    assert differences(one["callbacks"]["EMA"], other["callbacks"]["EMA"]) == []
    logged = {tuple(row) for row in rows(whole, *LOGGED)}
    again = [row for row in rows(resumed, *LOGGED) if int(row[0]) > step]
    assert len(again) >= 2 and set(again) <= logged


def test_of_the_first_batch_only_what_is_shown_is_decoded(tmp_path, monkeypatch):
    sizes, decode = [], Identity.decode

    def counted(first_stage, latent):
        sizes.append(len(latent))
        return decode(first_stage, latent)

    monkeypatch.setattr(Identity, "decode", counted)
    train(tmp_path / "run", DIFFUSION, "max_steps=1", "callback.first_batch.n=3", "trainer.limit_val_batches=0")
    assert sizes == [3]


def test_the_validation_loss_is_exact_in_any_order_and_batches():
    losses = keys(seed=0, purpose="losses", places=range(3000)).normal().exp()
    means = []
    for batch, order in ((7, losses), (64, losses.flip(0)), (3000, losses)):
        mean = MeanLoss()
        for part in order.split(batch):
            mean.update(part)
        means.append(mean.compute().item())
    assert means == [math.fsum(losses.tolist()) / 3000] * 3


def test_the_average_moves_with_the_weights_and_is_not_them(whole):
    held = checkpoint(whole)
    average = held["callbacks"]["EMA"]["weights"]
    live = {name: held["state_dict"][f"model.{name}"] for name in average}
    assert differences(average, live) != []
    assert held["callbacks"]["EMA"]["step"] == 8


def test_validation_and_samples_compile_nothing_anew(tmp_path, monkeypatch):
    with_gradients: list[bool] = []

    def counting(graph, _):
        with_gradients.append(torch.is_grad_enabled())
        return graph.forward

    monkeypatch.setattr(
        LatentDiffusionStage, "compile_networks", lambda stage: compile_regions(stage.model.network, backend=counting)
    )
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # else the checks of every call are traced as well
    few = ["max_steps=2", "trainer.val_check_interval=1", "network.depth=1"]
    run = train(tmp_path / "compiled", DIFFUSION, *few, "compile=true")
    assert len(rows(run, "val/loss")) == 2
    assert with_gradients and all(with_gradients)


def test_the_first_stage_is_no_part_of_what_is_saved(whole):
    held = checkpoint(whole)
    assert {name.split(".")[1] for name in held["state_dict"] if name.startswith("model.")} == {
        "network",
        "conditioner",
    }
    assert held["first_stage_hash"] == "identity"


def test_a_first_stage_of_another_hash_is_refused(whole, tmp_path):
    cut = killed(whole, 3, tmp_path / "killed")
    path = cut.latest()
    held = torch.load(path, weights_only=True)
    torch.save(held | {"first_stage_hash": "0123456789abcdef"}, path)
    with pytest.raises(ValueError, match=r"artifact identity, but this run was trained on 0123456789ab; its own copy"):
        train(cut.path, DIFFUSION, *STEPS)


def test_two_accumulated_halves_are_one_batch(tmp_path):
    """The same places of the global batch, so the same noise: only the order of sums differs.

    Adam's eps is far above rounding, which a gradient that should be zero (the keys' bias) would else be divided by.
    """
    common = ["max_steps=6", "optimizer.eps=0.001", "trainer.val_check_interval=100"]
    one = train(tmp_path / "one", DIFFUSION, *common)
    two = train(tmp_path / "two", DIFFUSION, *common, "trainer.accumulate_grad_batches=2")
    first, second = checkpoint(one), checkpoint(two)
    assert first["global_step"] == second["global_step"] == 6
    for name, weight in first["state_dict"].items():
        torch.testing.assert_close(second["state_dict"][name], weight, rtol=1e-4, atol=1e-6, msg=name)
    losses = [[float(loss) for _, loss in rows(run, "train/loss")] for run in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and len(losses[0]) == 3


def test_samples_and_validations_leave_their_traces(whole):
    assert [row[0] for row in rows(whole, "val/loss")] == ["4", "8"]
    pictures = sorted(path.name for path in whole.samples.glob("*.png"))
    assert pictures == ["first_batch-00000000.png", "samples-00000004.png", "samples-00000008.png"]


def test_a_caption_of_10000_characters_is_trained_on_as_far_as_the_tower_reads(tmp_path):
    read = " ".join(["red"] * 75)  # 77 tokens with start and end
    long = f"{read} {'blue ' * 2000}"
    assert len(long) > 10_000
    (folder := tmp_path / "pictures").mkdir()
    for number in range(6):
        Image.new("RGB", (32, 32), (40 * number,) * 3).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(long if number < 5 else "a cat")
    run = train(tmp_path / "run", DIFFUSION, "data=image_folder", f"data.root={folder}", "max_steps=2")
    ((_, loss),) = rows(run, "train/loss")
    assert math.isfinite(float(loss))
    tower = build(run.config.conditioner)
    assert tower.truncated([long, read, "a cat"]) == [long]
    vectors = tower(Prompts(caption=(long, read, long[-300:]))).vector
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[0], vectors[2])


def test_the_bar_shows_the_loss(tmp_path, capsys):
    progress = "+callback.progress={_target_: darkroom.callbacks.progress.StepProgress}"
    run = train(tmp_path / "run", DIFFUSION, "max_steps=2", progress)
    end = capsys.readouterr().out.partition("trained: step 2/2, ")[2].splitlines()[0]
    [(_, loss)] = rows(run, "train/loss")
    assert end.endswith(f"train/loss {float(loss):.4g}")
