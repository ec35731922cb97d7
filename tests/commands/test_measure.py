"""What evaluate.py measures, of both stages, with a judge and without; and the file that it leaves."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from tiny_clip import NAME, tiny_clip
from trained import CONF, asked, autoencoder_run, diffusion_run

from darkroom.autoencoding.artifact import hash_of
from darkroom.build import of_input
from darkroom.commands import measure as module
from darkroom.commands.checking.check import check
from darkroom.commands.compare import compare
from darkroom.commands.load import load_first_stage, load_generator, load_source
from darkroom.commands.measure import measure
from darkroom.data.prompts import names_hash
from darkroom.generation.generator import Generator, NotFinite
from darkroom.generation.sample_set import SampleSet
from darkroom.keys import keys
from darkroom.metrics.clip_score import ClipScore
from darkroom.metrics.paired import bicubic_roundtrip, ssim
from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import MetricsFile
from darkroom.runs.summary import update_summary
from darkroom.runs.wandb_pieces import offline_pieces
from darkroom.runs.wandb_run import WandbRun

BEFORE = "before"


def measured(run: Run, *argv: str) -> dict:
    return measure(asked("evaluate", f"run={run.path}", "n=5", "batch_size=2", *argv))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures in two classes, without captions."""
    image = keys(seed=0, purpose="pictures", places=range(20)).integers(256, (32, 32, 3)).byte().numpy()
    for number, pixels in enumerate(image):
        path = tmp_path / "pictures" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "pictures"


def test_an_autoencoder_is_measured_beside_bicubic_and_under_the_judge(tmp_path, capsys):
    run = autoencoder_run(tmp_path / "run")
    result = measured(run)
    assert json.loads((run.path / "evaluation.json").read_text()) == result
    metrics = result["metrics"]
    paired = {f"val_{by}{name}" for by in ("", "bicubic_") for name in ("psnr", "psnr_pooled", "ssim")}
    judged = {f"prompt_accuracy_{name}" for name in ("real", "reconstructed", "chance")}
    assert set(metrics) == paired | judged
    assert all({"value", "protocol", "protocol_id"} <= number.keys() for number in metrics.values())
    assert metrics["val_psnr"]["value"] < metrics["val_bicubic_psnr"]["value"]  # it was never trained
    assert metrics["val_psnr"]["protocol"]["reference"]["pictures"] == result["made"]["validation_pictures"] == 6
    said = capsys.readouterr().out
    assert f"written to {run.path / 'evaluation.json'}\n" in said
    assert "val_bicubic_psnr" in said


def test_the_numbers_of_each_picture_are_kept_by_its_index(tmp_path):
    run = autoencoder_run(tmp_path / "run")
    metrics = measured(run)["metrics"]
    with np.load(run.path / "evaluation_pictures.npz") as file:
        kept = {name: file[name] for name in file.files}
    assert kept.pop("index").tolist() == list(range(6))
    assert set(kept) == {"val_psnr", "val_ssim", "val_bicubic_psnr", "val_bicubic_ssim"}
    picture = load_source(run.config).split("validation").oriented([4], mirrored=False)
    assert kept["val_bicubic_ssim"][4] == pytest.approx(ssim(picture, bicubic_roundtrip(picture, 8)).item())
    for name, values in kept.items():
        assert metrics[name]["value"] == pytest.approx(values.mean())
        assert metrics[name]["sd"] == pytest.approx(values.std(ddof=1) / 6**0.5)
    pooled = -10 * np.log10(np.mean(10 ** (-kept["val_psnr"] / 10)))
    assert metrics["val_psnr_pooled"]["value"] == pytest.approx(pooled)


def test_an_autoencoder_is_of_the_step_of_its_artifact_wherever_its_training_is(tmp_path):
    run = autoencoder_run(tmp_path / "run")
    update_summary(run, {"step": 1500})  # interrupted as it was trained on
    assert measured(run)["made"]["step"] == 1
    latents = run.first_stage / "latents.json"
    facts = json.loads(latents.read_text())
    del facts["step"]  # as artifacts were written before
    latents.write_text(json.dumps(facts))
    (run.first_stage / "HASH").write_text(hash_of(run.first_stage))
    assert measured(run)["made"]["step"] is None


def test_samples_are_judged_where_the_data_can_and_the_run_reads_text(tmp_path):
    run = diffusion_run(tmp_path / "run")
    result = measured(run, f"out={tmp_path / 'there' / 'e.json'}", "steps=3")
    metrics = result["metrics"]
    assert {"val_loss", "prompt_accuracy", "prompt_accuracy_held_out", "samples_per_second"} <= set(metrics)
    assert not {"val_psnr", "val_ssim"} & set(metrics)  # there is no autoencoder to measure
    low, high = metrics["prompt_accuracy"]["interval"]
    assert 0 <= low <= metrics["prompt_accuracy"]["value"] <= high <= 1
    assert result["made"]["num_steps"] == metrics["samples_per_second"]["protocol"]["num_steps"] == 3
    assert metrics["val_loss"]["seed"] == run.config.seed
    validation = load_source(run.config).split("validation")
    assert metrics["val_loss"]["protocol"]["reference"]["names"] == names_hash(validation)
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["e.json", "e.png"]
    [fault] = check("evaluate", [f"run={run.path}", f"out={tmp_path / 'there' / 'e.json'}"], CONF)
    assert "e.json and " in fault and "e.png are there already" in fault
    assert not (run.path / "evaluation.json").exists()


def test_a_run_that_reads_no_text_is_not_held_against_prompts(tmp_path):
    metrics = measured(diffusion_run(tmp_path / "run", captions=None))["metrics"]
    assert "val_loss" in metrics
    assert "prompt_accuracy" not in metrics


def test_data_without_a_judge_leaves_the_losses(tmp_path, folder):
    data = ["data=image_folder", f"data.root={folder}"]
    run = diffusion_run(tmp_path / "run", data=data, captions=None, classes=("cat", "dog"))
    assert not [name for name in measured(run)["metrics"] if name.startswith(("val_psnr", "prompt_accuracy"))]


def test_without_a_judge_the_nearest_training_picture_says_whether_a_class_was_drawn(tmp_path, folder):
    data = ["data=image_folder", f"data.root={folder}"]
    run = diffusion_run(tmp_path / "run", data=data, captions=None, classes=("cat", "dog"))
    chosen = ["n_reference=8", "metrics=[fd]", f"cache={tmp_path / 'features'}"]
    found = measured(run, *chosen)["metrics"]["agreement_pixels"]
    assert (found["judged"], found["protocol"]["m"], found["protocol"]["n"]) == (5, 5, 8)
    assert found["value"] * 5 in range(6)
    assert found["interval"][0] <= found["value"] <= found["interval"][1]
    assert found["protocol"]["conditions"]["names"] == names_hash(load_source(run.config).split("train"))
    assert 0 <= found["real"] <= 1
    assert 0 <= found["chance"] <= 1
    deaf = diffusion_run(tmp_path / "deaf", data=data, captions=None)
    assert set(measured(deaf, *chosen)["metrics"]) == {"fd_pixels", "val_loss"}


def test_samples_and_real_pictures_are_held_against_captions_by_a_clip(tmp_path):
    _, _, weights = tiny_clip(tmp_path)
    chosen = ["clip_score=vit_b_32", f"clip_score.model={NAME}", "clip_score.tag=null", f"clip_score.weights={weights}"]
    run = diffusion_run(tmp_path / "run")
    found = measured(run, *chosen, "n_reference=7", f"cache={tmp_path / 'features'}")["metrics"]
    assert {"fd_pixels", "clip_score_vit_b_32"} <= set(found)
    score = found["clip_score_vit_b_32"]
    prompts = SampleSet(5, 7).prompts(load_source(run.config).split("train"))
    generator = load_generator(run, load_first_stage(run))
    by = ClipScore(name="own", model=NAME, tag=None, weights=str(weights))
    drawn = generator(prompts, SampleSet(5, 7).keys(), batch_size=2)
    assert score["value"] == pytest.approx(by(drawn, prompts.caption).mean().item(), abs=1e-3)
    validation = load_source(run.config).split("validation")
    real = by([validation.oriented(range(6), mirrored=False)], validation.captions)
    assert score["real"] == pytest.approx(real.mean().item())
    assert score["cut"] == 0
    assert score["protocol"]["m"] == 5
    renamed = load_source(run.config).split("train")
    renamed.captions = [*renamed.captions[:-1], "a pale green square"]
    told = [found[name]["protocol"]["conditions"]["names"] for name in ("fd_pixels", "clip_score_vit_b_32")]
    assert told == [names_hash(load_source(run.config).split("train"))] * 2 != [names_hash(renamed)] * 2
    with pytest.raises(ValueError, match="clip_score: this run reads no captions"):
        measured(diffusion_run(tmp_path / "deaf", captions=None), *chosen)


def test_samples_are_looked_for_among_the_training_pictures(tmp_path, capsys):
    run = diffusion_run(tmp_path / "run", "data.validation_size=20")
    chosen = ["memorisation=true", "n_reference=7", f"cache={tmp_path / 'features'}"]
    found = measured(run, *chosen)["metrics"]
    share = found["memorisation_share"]
    protocol = share["protocol"]
    assert (protocol["m"], protocol["n"], protocol["k"]) == (5, 7, 20)
    assert share["value"] * 5 == share["count"]
    assert protocol["training"] == found["fd_pixels"]["protocol"]["reference"]
    assert protocol["through"] == "identity"
    sheet = Image.open(run.path / "evaluation_copies.png")
    assert sheet.size[0] > 5 * 64
    said = " ".join(capsys.readouterr().out.split())
    assert "among 7 of " in said
    assert "no copying" in said
    with pytest.raises(ValueError, match=r"memorisation: 6 validation pictures set no scale.*; leave it out, or"):
        measured(diffusion_run(tmp_path / "few"), *chosen)


def test_a_generator_that_answers_training_pictures_is_seen(tmp_path, monkeypatch, capsys):
    run = diffusion_run(tmp_path / "run", "data.validation_size=40", "data.train_size=40")
    source = load_source(run.config)
    training = source.split("train").oriented(range(40), mirrored=False)

    monkeypatch.setattr(Generator, "pictures", lambda _, prompts, keys, *__: training[: len(keys)])  # noqa: ARG005
    chosen = ["memorisation=true", f"cache={tmp_path / 'features'}"]
    found = measure(asked("evaluate", f"run={run.path}", "n=30", "batch_size=30", *chosen))["metrics"]
    assert found["memorisation_share"]["value"] == 1
    assert found["memorisation_ratio"]["value"] == 0
    assert "30 of 30 generated pictures are nearer" in " ".join(capsys.readouterr().out.split())


def test_the_weights_and_biases_run_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = diffusion_run(tmp_path / "run", "max_steps=1")
    result = measured(run, f"cache={tmp_path / 'features'}", "n_reference=7")
    assert not (run.path / "wandb").exists()  # the training was not tracked, and so is this not
    training = WandbRun(run.path)
    training.log_metrics({"val/loss": 1.0}, step=0)
    training.close()
    metrics = MetricsFile(run.path)
    metrics.log_metrics({"val/loss": 1.0}, step=0)
    metrics.save()
    again = measured(run, f"cache={tmp_path / 'features'}", "n_reference=7")
    loss = again["metrics"]["val_loss"]["value"]
    assert loss == result["metrics"]["val_loss"]["value"]
    _, piece = offline_pieces(run.path)
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(piece)]
    records = [json.loads(line) for line in subprocess.run(command, capture_output=True, text=True).stdout.splitlines()]
    told = json.dumps([each for each in records if each["type"] == "summary"])
    assert "evaluation/val_loss" in told
    assert '"val/loss"' in told  # of the training, for a piece that is uploaded by itself
    assert "evaluation/fd_pixels" in told
    assert str(loss)[:8] in told


def test_what_is_of_samples_or_of_snapshots_is_refused_by_runs_that_have_none(tmp_path):
    autoencoder, denoiser = autoencoder_run(tmp_path / "autoencoder"), diffusion_run(tmp_path / "run")
    weights = tmp_path / "clip.safetensors"
    weights.touch()
    asked_of = {
        "ema=0.05": (denoiser, "ema=0.05: "),
        "sweep.ema=[0.05]": (denoiser, "sweep.ema=0.05: "),
        "memorisation=true": (autoencoder, "memorisation: "),
        f"clip_score=vit_b_32 clip_score.weights={weights}": (autoencoder, "clip_score: "),
    }
    for arguments, (run, words) in asked_of.items():
        (fault,) = check("evaluate", [f"run={run.path}", *arguments.split()], CONF)
        assert fault.startswith(words)
        assert "kept no snapshots" in fault or "draws no samples" in fault
    denoiser.snapshots.mkdir()
    (denoiser.snapshots / "00000001.safetensors").touch()
    assert check("evaluate", [f"run={denoiser.path}", "ema=0.05"], CONF) == []
    (fault,) = check("evaluate", [f"run={denoiser.path}", "ema=0.5"], CONF)
    assert fault == "ema=0.5: snapshots make widths from 0.02 to 0.25"


def test_the_loss_is_a_mean_over_pictures_whatever_the_batch(tmp_path):
    run = diffusion_run(tmp_path / "run", captions=None)
    ones = [measure(asked("evaluate", f"run={run.path}", "n=1", f"batch_size={size}")) for size in (1, 4)]
    first, second = (each["metrics"]["val_loss"]["value"] for each in ones)
    assert first == pytest.approx(second, rel=1e-5)


def test_an_evaluation_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    run = diffusion_run(tmp_path / "run")
    (run.path / "evaluation.json").write_text(BEFORE)

    def broken(*_: object) -> dict:
        raise RuntimeError("no power")

    monkeypatch.setattr(module, "judged_samples", broken)
    with pytest.raises(RuntimeError):
        measured(run)
    assert (run.path / "evaluation.json").read_text() == BEFORE
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("distances", [True, False])
def test_where_samples_run_away_all_else_is_written_before_that_is_told(tmp_path, monkeypatch, distances):
    artifact = autoencoder_run(tmp_path / "autoencoder").path
    run = diffusion_run(tmp_path / "run", "network.patch=2", first_stage=f"first_stage.path={artifact}")
    monkeypatch.setattr(Generator, "latents", lambda _, __, keys, *___: torch.full((len(keys), 4, 4, 4), torch.nan))
    chosen = [f"cache={tmp_path / 'features'}", *([] if distances else ["n=1"])]
    with pytest.raises(NotFinite, match="samples are not finite; guide less") as caught:
        measured(run, *chosen)
    assert of_input(caught.value)  # so that the command answers it with its line
    kept = json.loads((run.path / "evaluation.json").read_text())
    assert {"val_psnr", "val_loss", "prompt_accuracy_real"} <= set(kept["metrics"])
    assert not {"fd_autoencoder", "prompt_accuracy", "samples_per_second"} & set(kept["metrics"])
    assert kept["made"]["ran_away"] == str(caught.value)


def test_distances_stand_with_their_protocols_and_are_refused_beside_others(tmp_path, capsys):
    run = diffusion_run(tmp_path / "run")
    chosen = ["n_reference=7", "metrics=[fd,kid]", f"cache={tmp_path / 'features'}"]
    result = measured(run, *chosen)
    found = result["metrics"]
    assert {"fd_pixels", "kid_pixels", "kid_full_pixels"} < set(found)  # by the run's own extractor
    protocol = found["fd_pixels"]["protocol"]
    assert (protocol["m"], protocol["n"], protocol["reference"]["split"]) == (5, 7, "train")
    assert found["kid_pixels"]["protocol"]["metric"]["subset_size"] == 5
    assert measured(run, *chosen)["metrics"]["fd_pixels"]["value"] == found["fd_pixels"]["value"]
    other = tmp_path / "other.json"
    measured(run, "n_reference=8", "metrics=[fd]", f"cache={tmp_path / 'features'}", f"out={other}")
    assert compare([str(run.path / "evaluation.json"), str(other)]) == 2
    said = capsys.readouterr()
    assert "fd_pixels: not to be compared" in said.err + said.out


def test_of_many_samples_sums_are_enough_for_the_frechet_distance_where_a_judge_reads_the_pictures(
    tmp_path, monkeypatch
):
    run = diffusion_run(tmp_path / "run")

    def distance(cache, *families):
        asked = ["n=8", "n_reference=7", f"metrics=[{','.join(families)}]", f"cache={tmp_path / cache}"]
        return measured(run, *asked)["metrics"]["fd_pixels"]

    whole = distance("whole", "fd")
    monkeypatch.setattr("darkroom.metrics.collecting.HELD", 4)
    found, beside_kid = distance("sums", "fd"), distance("held", "fd", "kid")
    assert [found[name] == beside_kid[name] == whole[name] for name in ("value", "protocol")] == [True, True]
    assert (whole["sd_by"], beside_kid["sd_by"], found["sd_by"]) == (*["first order"] * 2, "first order, by 4 of 8")
    kept = {cache: next((tmp_path / cache).glob("*.npz")) for cache in ("sums", "held")}
    assert {cache: "features" in np.load(file).files for cache, file in kept.items()} == {"sums": False, "held": True}


def test_a_training_split_too_small_for_what_is_asked_is_told_before_anything_is_drawn(tmp_path, monkeypatch):
    run = diffusion_run(tmp_path / "run")
    monkeypatch.setattr(Generator, "__call__", lambda *_, **__: pytest.fail("was drawn"))
    chosen = ["n=30", "kid_size=20", "extractor=first_stage", f"cache={tmp_path / 'features'}"]
    with pytest.raises(ValueError, match="training split: 12 pictures are too few for kid_size=20"):
        measure(asked("evaluate", f"run={run.path}", *chosen))


def test_reconstructions_have_a_distance_and_a_perceptual_one(tmp_path):
    network = torchvision.models.squeezenet1_1(weights=None)
    weights, linear = tmp_path / "trunk.safetensors", tmp_path / "linear.safetensors"
    save_file(network.state_dict(), weights)
    widths = (64, 128, 256, 384, 384, 512, 512)
    save_file({f"lin{i}.model.1.weight": torch.ones(1, width, 1, 1) for i, width in enumerate(widths)}, linear)
    chosen = ["extractor=squeezenet1_1", "extractor.size=64", "perceptual=lpips_squeeze"]
    chosen += [f"extractor.weights={weights}", f"perceptual.weights={weights}", f"perceptual.linear={linear}"]
    found = measured(autoencoder_run(tmp_path / "run"), *chosen)["metrics"]
    assert all(found[name]["value"] > found[name]["sd"] > 0 for name in ("rfd_squeezenet1_1", "lpips_squeeze"))
    assert found["rfd_squeezenet1_1"]["sd_by"] == "bootstrap of 200"  # of fewer pictures than features
    assert found["lpips_squeeze"]["protocol"]["reference"]["paired"]
