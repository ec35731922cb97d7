"""Distances and agreement of samples, logged while a denoiser trains."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import scipy.linalg
import torch
from lightning.pytorch import LightningModule, Trainer
from PIL import Image
from stages import tiny
from tiny_clip import NAME, tiny_clip

from darkroom.build import build
from darkroom.callbacks.distribution import Distribution
from darkroom.commands.load import load_first_stage, load_generator, load_source
from darkroom.generation.sample_set import SampleSet, dealt
from darkroom.metrics.extractor import features
from darkroom.metrics.latent_features import LatentFeatures

SAMPLES = SampleSet(n=5, n_reference=6)
OTHERS = {"val/loss", "speed/samples_share"}  # of the stage, and of another callback


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return tiny.train(folder / "run", tiny.DIFFUSION, "extractor=first_stage", "max_steps=4")


def test_the_logged_distance_is_that_of_the_averaged_weights_samples(run):
    generator = load_generator(run, load_first_stage(run))
    training = load_source(run.config).split("train")
    drawn = list(generator(SAMPLES.prompts(training), SAMPLES.keys(), batch_size=2))
    extractor = LatentFeatures(first_stage=generator.first_stage, resolution=run.config.resolution)
    ours = features(extractor, drawn).double().numpy()
    real = features(extractor, [training.oriented(SAMPLES.reference(training), mirrored=False)]).double().numpy()
    a, b = (np.cov(each, rowvar=False) for each in (ours, real))
    root = scipy.linalg.sqrtm(a @ b).real
    expected = ((ours.mean(0) - real.mean(0)) ** 2).sum() + np.trace(a + b - 2 * root)
    (value,) = [float(row[1]) for row in tiny.rows(run, "val/fd_pixels")]
    assert value == pytest.approx(expected, rel=1e-3)  # a csv of six digits, and sqrtm of singular covariances


def test_the_judge_and_the_cost_are_logged_beside_it(run):
    ((_, accuracy, share),) = tiny.rows(run, "val/prompt_accuracy", "speed/distribution_share")
    assert float(accuracy) in {0.0, 0.2, 0.4}
    assert 0 < float(share) < 1


def test_what_it_logs_is_what_it_says_may_be_watched(run):
    distribution = build(run.config.callback.distribution)
    header = run.metrics.read_text().splitlines()[0].split(",")
    logged = {name for name in header if name.startswith(("val/", "speed/"))}
    assert set(distribution.metric_names) == logged - OTHERS | {"val/agreement_pixels"}  # of data without a judge


def test_without_a_judge_the_nearest_training_pictures_are_asked(tmp_path):
    folder = tmp_path / "pictures"
    shades = {"dark": 40, "bright": 210}
    for number in range(20):
        name = list(shades)[number % 2]
        path = folder / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (shades[name] + number,) * 3).save(path)
    data = ["data=image_folder", f"data.root={folder}"]
    run = tiny.train(tmp_path / "run", tiny.DIFFUSION, *data, "extractor=first_stage", "max_steps=4")
    generator = load_generator(run, load_first_stage(run))
    training = load_source(run.config).split("train")
    prompts, shown = SAMPLES.prompts(training), SAMPLES.reference_prompts(training).label
    extractor = LatentFeatures(first_stage=generator.first_stage, resolution=run.config.resolution)
    drawn = features(extractor, generator(prompts, SAMPLES.keys(), batch_size=2)).double()
    real = features(extractor, [training.oriented(SAMPLES.reference(training), mirrored=False)]).double()
    expected = (shown[torch.cdist(drawn, real).argmin(dim=1)] == prompts.label).float().mean().item()
    ((_, value),) = tiny.rows(run, "val/agreement_pixels")
    assert float(value) == pytest.approx(expected)
    assert "val/prompt_accuracy" not in run.metrics.read_text()


def test_a_reference_is_computed_once(run, monkeypatch):
    asked = []
    monkeypatch.setattr("darkroom.callbacks.distribution.write_statistics", lambda path, _: asked.append(path))
    tiny.train(run.path.parent / "again", tiny.DIFFUSION, "extractor=first_stage", "max_steps=4")
    assert asked == []


def test_samples_and_reference_are_what_their_numbers_say():
    class Pictures:
        captions, labels, flip_seed = [f"number {i}" for i in range(4)], [0, 1, 2, 3], None
        stand_ins: ClassVar = {}

        def __len__(self):
            return 4

        def __getitems__(self, visits):
            raise AssertionError("no picture is read for this")

        oriented = __getitems__

    asked = SAMPLES.prompts(Pictures())
    assert sorted(asked.caption[:4]) == Pictures.captions  # each as often as it occurs
    assert asked.caption[4] == asked.caption[0]
    assert asked.label.tolist() == [Pictures.captions.index(each) for each in asked.caption]
    assert SAMPLES.reference(Pictures()) == [0, 1, 2, 3]
    assert SampleSet(5, 2, seed=1).reference(Pictures()) == SampleSet(5, 2, seed=0).reference(Pictures())


def test_samples_are_held_against_their_captions_by_a_clip(tmp_path):
    _, _, weights = tiny_clip(tmp_path)
    chosen = ["clip_score=vit_b_32", f"clip_score.model={NAME}", "clip_score.tag=null", f"clip_score.weights={weights}"]
    run = tiny.train(tmp_path / "run", tiny.DIFFUSION, *chosen, "max_steps=4")
    generator = load_generator(run, load_first_stage(run))
    prompts = SAMPLES.prompts(load_source(run.config).split("train"))
    drawn = generator(prompts, SAMPLES.keys(), batch_size=2)
    expected = build(run.config.clip_score)(drawn, prompts.caption).mean().item()
    ((_, value),) = tiny.rows(run, "val/clip_score_vit_b_32")
    assert float(value) == pytest.approx(expected, rel=1e-3)
    assert "val/clip_score_vit_b_32" in build(run.config.callback.distribution).metric_names


def test_a_clip_score_of_a_run_that_reads_no_captions_is_refused_before_anything_is_written(tmp_path):
    _, _, weights = tiny_clip(tmp_path)
    chosen = ["clip_score=vit_b_32", f"clip_score.model={NAME}", "clip_score.tag=null", f"clip_score.weights={weights}"]
    with pytest.raises(ValueError, match="clip_score: this run reads no captions"):
        tiny.train(tmp_path / "run", tiny.AUTOENCODER, *chosen, "max_steps=4")
    assert not (tmp_path / "run").exists()


class Drawing(LightningModule):
    def generator(self):
        raise AssertionError("nothing is drawn for this")


@pytest.mark.parametrize(
    ("n", "n_reference", "size", "few"),
    [
        (2048, 2048, 3000, False),
        (2047, 2048, 3000, True),
        (2048, 2047, 3000, True),
        (2048, 2048, 2000, True),
    ],
)
def test_a_distance_of_few_pictures_is_told_at_the_start(caplog, n, n_reference, size, few):
    class Beginning(Trainer):
        is_global_zero = True

        def __init__(self):
            self.datamodule = SimpleNamespace(source=SimpleNamespace(split={"train": range(size)}.__getitem__))

    extractor = LatentFeatures(
        first_stage=build({"_target_": "darkroom.autoencoding.first_stage.Identity"}), resolution=8
    )
    sizes = {"n": n, "n_reference": n_reference, "kid_size": 2, "batch_size": 2}
    own = Distribution(extractor=extractor, metrics=["fd"], cache="x", **sizes)
    own.on_train_start(Beginning(), Drawing())
    words = f"{n} samples against {min(n_reference, size)} training pictures; under 2048"
    assert (words in caplog.text) == few == bool(caplog.records)
    caplog.clear()
    own.on_train_start(Beginning(), LightningModule())
    assert not caplog.records  # an autoencoder draws nothing


@pytest.mark.parametrize(("n", "refused"), [(5, True), (6, False)])
def test_fewer_samples_than_processes_are_refused_before_the_training(n, refused):
    class Many(Trainer):
        num_devices, num_nodes = 3, 2

        def __init__(self):
            pass

    own = Distribution(extractor=None, metrics=[], n=n, n_reference=2, kid_size=2, batch_size=2, cache="x")
    own.refuse(Many(), LightningModule())  # which draws nothing
    words = r"^callback\.distribution\.n=5: .* 6 processes"
    with pytest.raises(ValueError, match=words) if refused else nullcontext():
        own.refuse(Many(), Drawing())


def test_a_training_split_too_small_for_a_family_is_refused_before_latents_are_cached(tmp_path):
    small = ["data.train_size=5", "callback.distribution.metrics=[density_coverage]", "callback.distribution.n=6"]
    with pytest.raises(ValueError, match="the training split has 5 pictures: too few for density_coverage"):
        tiny.train(tmp_path / "run", tiny.DIFFUSION, "extractor=first_stage", *small, "max_steps=4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("n", "size", "world_size"), [(5, 2, 1), (5, 2, 2), (5, 64, 2), (6, 2, 3), (3, 2, 3)])
def test_places_are_dealt_once_and_every_process_gets_some(n, size, world_size):
    spans = [dealt(n, size, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert all(spans)
    assert sorted(i for own in spans for span in own for i in span) == list(range(n))
    assert max(len(span) for own in spans for span in own) <= size


def test_fewer_samples_than_processes_are_refused():
    with pytest.raises(ValueError, match="too few for 3 processes"):
        dealt(2, 2, rank=0, world_size=3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metrics": ["fid"]}, "there is no fid"),
        ({"n": 1}, r"distribution\.n=1: too few for fd, which wants 2"),
        ({"metrics": ["fd", "density_coverage"]}, r"distribution\.n=4: too few for density_coverage, which wants 6"),
        ({"metrics": ["precision_recall"], "n_reference": 3}, r"n_reference=3: too few for precision_recall"),
        ({"max_share": 2}, "max_share=2"),
    ],
)
def test_settings_without_a_number_are_refused(changes, words):
    settings = {"n": 4, "n_reference": 4, "metrics": ["fd"], "kid_size": 2, "batch_size": 2, "cache": "x"} | changes
    extractor = LatentFeatures(
        first_stage=build({"_target_": "darkroom.autoencoding.first_stage.Identity"}), resolution=8
    )
    with pytest.raises(ValueError, match=words):
        Distribution(extractor=extractor, **settings)


def test_the_inception_score_asks_nothing_of_the_reference():
    extractor = LatentFeatures(
        first_stage=build({"_target_": "darkroom.autoencoding.first_stage.Identity"}), resolution=8
    )
    extractor.logits = lambda features: features
    settings = {"metrics": ["inception_score"], "kid_size": 2, "batch_size": 2, "cache": "x"}
    Distribution(extractor=extractor, n=10, n_reference=2, **settings)
    with pytest.raises(ValueError, match=r"n=9: too few for inception_score"):
        Distribution(extractor=extractor, n=9, n_reference=2, **settings)


def test_what_may_be_watched_is_what_the_families_tell():
    identity = build({"_target_": "darkroom.autoencoding.first_stage.Identity"})
    extractor = LatentFeatures(first_stage=identity, resolution=8)
    extractor.logits = lambda features: features
    chosen = {"metrics": ["fd", "kid", "precision_recall", "inception_score"], "n": 10, "n_reference": 4, "kid_size": 2}
    own = Distribution(extractor=extractor, batch_size=2, cache="x", **chosen)
    families = ["fd_pixels", "kid_pixels", "kid_full_pixels", "precision", "recall"]
    families += ["inception_score_pixels", "inception_score_pixels_1"]
    measured = [f"val/{name}" for name in ["prompt_accuracy", "agreement_pixels", *families]]
    assert own.metric_names == (*measured, "speed/distribution_share")


def test_features_are_the_normalised_means_by_place():
    identity = build({"_target_": "darkroom.autoencoding.first_stage.Identity"})
    extractor = LatentFeatures(first_stage=identity, resolution=16)
    picture = torch.zeros(3, 16, 16, dtype=torch.uint8)
    picture[1, :2, 2:4] = 255  # the second block of the green channel
    (row,) = features(extractor, [picture[None]])
    assert extractor.name == "pixels"
    assert row.shape == (3 * 8 * 8,)
    assert row.argmax() == 64 + 1
    assert torch.equal(row.unique(), torch.tensor([-1.0, 1.0]))


def test_an_autoencoders_own_training_has_no_first_stage():
    with pytest.raises(ValueError, match="extractor=first_stage"):
        LatentFeatures(first_stage=None, resolution=16)
