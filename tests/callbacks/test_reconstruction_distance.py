"""The distance of reconstructions from their originals, logged while an autoencoder trains."""

from functools import partial

import pytest
import torch
import torchvision
from lightning.pytorch import LightningModule
from safetensors.torch import save_file
from stages import tiny

from darkroom.autoencoding.first_stage import Identity
from darkroom.build import build
from darkroom.callbacks.reconstruction_distance import ReconstructionDistance
from darkroom.commands.load import load_first_stage, load_source
from darkroom.commands.pictures import pictures_of, reconstruct
from darkroom.data.shapes.source import Shapes
from darkroom.metrics.extractor import Extractor, features
from darkroom.metrics.frechet import frechet_distance
from darkroom.metrics.latent_features import LatentFeatures
from darkroom.metrics.moments import moments
from darkroom.networks.pretrained.trunk import Trunk


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    save_file(torchvision.models.squeezenet1_1(weights=None).state_dict(), path)
    return path


def test_the_logged_distance_is_that_of_the_artifacts_reconstructions(tmp_path, weights):
    chosen = ["extractor=squeezenet1_1", f"extractor.weights={weights}", "extractor.size=64"]
    run = tiny.train(tmp_path / "run", tiny.AUTOENCODER, *chosen, "max_steps=4")
    extractor = Extractor(
        name="x",
        network=partial(Trunk, model="squeezenet1_1"),
        weights=str(weights),
        size=64,
        mean=run.config.extractor.mean,
        std=run.config.extractor.std,
    )
    first_stage = load_first_stage(run)
    images = list(pictures_of(load_source(run.config).split("validation"), 4))
    real = moments(features(extractor, images))
    again = moments(features(extractor, [reconstruct(first_stage, each) for each in images]))
    ((_, value, share),) = tiny.rows(run, "val/rfd_squeezenet1_1", "speed/reconstruction_distance_share")
    assert float(value) == pytest.approx(frechet_distance(again, real), rel=1e-3)
    assert 0 < float(share) < 1
    watchable = build(run.config.callback.reconstruction_distance).metric_names
    assert watchable == ("val/rfd_squeezenet1_1", "speed/reconstruction_distance_share")


@pytest.mark.parametrize("part", ["trainer.limit_val_batches=1", "+trainer.overfit_batches=1"])
def test_of_one_batch_of_several_there_is_no_distance(tmp_path, weights, part):
    chosen = ["extractor=squeezenet1_1", f"extractor.weights={weights}", "extractor.size=64"]
    run = tiny.train(tmp_path / "run", tiny.AUTOENCODER, *chosen, part, "data.validation_size=10", "max_steps=4")
    header = run.metrics.read_text().splitlines()[0]
    assert "val/psnr" in header
    assert "rfd" not in header


def test_it_is_measured_at_every_second_validation_and_at_the_last_step_and_few_pictures_are_told(
    tmp_path, weights, caplog
):
    chosen = ["extractor=squeezenet1_1", f"extractor.weights={weights}", "extractor.size=64"]
    seldom = "callback.reconstruction_distance.every_n_validations=2"
    run = tiny.train(tmp_path / "run", tiny.AUTOENCODER, *chosen, seldom, "max_steps=14")
    assert [row[0] for row in tiny.rows(run, "val/psnr")] == ["4", "8", "12", "14"]
    assert [row[0] for row in tiny.rows(run, "val/rfd_squeezenet1_1")] == ["8", "14"]
    assert caplog.text.count("6 validation pictures; under 2048") == 1


def test_one_validation_picture_is_refused_before_anything_is_written_and_a_denoiser_needs_none(tmp_path, weights):
    chosen = ["extractor=squeezenet1_1", f"extractor.weights={weights}", "extractor.size=64"]
    with pytest.raises(ValueError, match=r"^the validation split has 1 picture, .*reconstruction_distance=null$"):
        tiny.train(tmp_path / "run", tiny.AUTOENCODER, *chosen, "data.validation_size=1", "max_steps=4")
    assert not list(tmp_path.iterdir())
    extractor = LatentFeatures(first_stage=Identity(), resolution=8)
    ReconstructionDistance(extractor=extractor).refuse_few(LightningModule(), Shapes(train_size=8, validation_size=1))


def test_without_an_extractor_nothing_is_measured(tmp_path):
    run = tiny.train(tmp_path / "run", tiny.AUTOENCODER, "max_steps=4")
    assert "rfd" not in run.metrics.read_text().splitlines()[0]
