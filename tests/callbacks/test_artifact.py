import json

import pytest
import torch
from trainers import Tiny, loader, trainer

from darkroom.autoencoding.artifact import find_artifact, read_latents
from darkroom.autoencoding.bottleneck.gaussian import Gaussian
from darkroom.autoencoding.model import Autoencoder
from darkroom.callbacks.artifact import Artifact
from darkroom.contracts import to_float
from darkroom.data.split import PictureSplit
from darkroom.networks.autoencoder import Decoder, Encoder

SIZES = {"width": 8, "multipliers": [1, 2], "num_res_blocks": 1, "mid_attention": False, "norm_groups": 4}


class Sorted:
    """Twelve pictures from black to white."""

    resolution, classes, fingerprint = 8, None, "grey"

    def split(self, name):
        assert name == "train"
        return PictureSplit(grey, 12)


def grey(indices):
    return torch.tensor(indices, dtype=torch.uint8).view(-1, 1, 1, 1).mul(20).expand(-1, 3, 8, 8).clone()


class Stage(Tiny):
    def __init__(self, stop_at=None):
        super().__init__()
        parts = Encoder(out_channels=4, **SIZES), Gaussian(), Decoder(latent_channels=2, **SIZES)
        self.model = Autoencoder(encoder=parts[0], bottleneck=parts[1], decoder=parts[2])
        self.stop_at = stop_at

    def training_step(self, batch, batch_idx):
        if batch_idx == self.stop_at:
            self.trainer.should_stop = True
        return super().training_step(batch, batch_idx)


def fit(folder, stage, steps=3, **settings):
    callback = Artifact(config={"_target_": "darkroom.autoencoding.model.Autoencoder"}, source=Sorted(), **settings)
    trainer(folder, steps, [callback]).fit(stage, loader())
    return stage


@pytest.mark.parametrize(("max_pictures", "indices"), [(4, [0, 3, 6, 9]), (50, range(12))])
def test_the_statistics_are_of_pictures_from_the_whole_of_a_sorted_set(tmp_path, max_pictures, indices):
    stage = fit(tmp_path, Stage(), max_pictures=max_pictures)
    with torch.inference_mode():
        posterior = stage.model.encode(to_float(grey(list(indices))))
    found = json.loads((find_artifact(tmp_path) / "latents.json").read_text())
    assert found["mean"] == pytest.approx(posterior.mean.mean((0, 2, 3)).tolist(), abs=1e-5)
    assert (found["resolution"], found["data_fingerprint"]) == (8, "grey")


def test_the_latents_are_measured_on_the_device_that_lightning_has_left(tmp_path, monkeypatch):
    moves = []  # of the model as a whole and of its stage, in order

    class Watched(Stage):
        def cpu(self):
            moves.append("left")
            return super().cpu()

    def to(model, device):
        moves.append(device)
        return model

    def measure(*arguments):
        moves.append("measured")
        return found(*arguments)

    found = Artifact._measure
    monkeypatch.setattr(Autoencoder, "to", to)
    monkeypatch.setattr(Artifact, "_measure", measure)
    fit(tmp_path, Watched())
    assert moves == ["left", torch.device("cpu"), "measured"]


def test_a_training_that_stops_early_leaves_no_artifact(tmp_path):
    fit(tmp_path, Stage(stop_at=1))
    assert list(tmp_path.glob("first_stage*")) == []


def test_a_run_that_ends_again_keeps_its_artifact_and_one_that_is_trained_on_has_another(tmp_path):
    written = fit(tmp_path, Stage())
    again = Stage()
    again.load_state_dict(written.state_dict())
    fit(tmp_path, again, steps=0)  # as a run that is resumed with no step left
    assert [path.name for path in tmp_path.glob("first_stage*")] == ["first_stage"]
    torch.nn.init.zeros_(next(again.model.parameters()))
    fit(tmp_path, again, steps=2)
    folders = sorted(tmp_path.glob("first_stage*"))
    assert [path.name for path in folders] == ["first_stage", "first_stage-00000002"]
    assert [read_latents(path)["step"] for path in folders] == [3, 2]


def test_a_run_that_was_killed_before_its_artifact_writes_it_without_a_step(tmp_path):
    fit(tmp_path, Stage(), steps=0)
    assert [path.name for path in tmp_path.glob("first_stage*")] == ["first_stage"]
