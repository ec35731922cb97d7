"""Inception of 2015-12-05 beside torch-fidelity's, on random weights in the layout of its file."""

import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from darkroom.files import digest
from darkroom.keys import keys
from darkroom.metrics.inception_extractor import InceptionExtractor
from darkroom.metrics.titles import title
from darkroom.networks.pretrained.inception import Inception


def random_weights():
    """Scaled so that what the last layers answer still depends on the picture."""
    torch.manual_seed(0)
    network = Inception()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.running_mean, std=0.1)
            torch.nn.init.uniform_(layer.running_var, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, std=0.1)
    return network.state_dict()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(random_weights(), path)
    return path


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Two pictures need not be filled up to thirty-two."""
    monkeypatch.setattr("darkroom.metrics.extractor.MICRO_BATCH", 2)


@pytest.fixture(scope="module")
def own(weights):
    return InceptionExtractor(weights=str(weights))


def pictures(n, height, width):
    """Coarse blocks under noise: borders and slopes, at which ways to scale differ."""
    coarse = keys(seed=0, purpose="coarse", places=range(n)).integers(256, (3, 4, 4))
    noise = keys(seed=0, purpose="noise", places=range(n)).integers(64, (3, height, width))
    blocks = torch.nn.functional.interpolate(coarse.float(), size=(height, width))
    return (blocks * 0.75 + noise).to(torch.uint8)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (301, 340)])
def test_features_and_logits_are_torch_fidelitys(weights, own, height, width):
    theirs = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights)
    )
    batch = pictures(2, height, width)
    expected, logits = theirs(batch)
    features = own(torch.stack([own.prepare(each) for each in batch]))
    assert expected.std(dim=0).mean() > 1e-2 * expected.abs().mean()  # or any network would do
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(own.logits(features).float(), logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (301, 340)])
def test_spatial_features_are_those_of_torch_fidelitys_block_as_tensorflow_flattens_them(weights, own, height, width):
    theirs = FeatureExtractorInceptionV3("inception-v3-compat", ["768"], feature_extractor_weights_path=str(weights))
    maps = []
    theirs.Mixed_6d.branch1x1.register_forward_hook(lambda *call: maps.append(call[-1]))
    batch = pictures(2, height, width)
    theirs(batch)
    assert maps[0].shape == (2, 192, 17, 17)
    expected = maps[0].numpy().transpose(0, 2, 3, 1)[..., :7].reshape(2, -1)  # as guided-diffusion takes them of NHWC
    features = own.spatial(torch.stack([own.spatial.prepare(each) for each in batch]))
    assert expected.std(axis=0).mean() > 1e-2 * expected.mean() > 0
    torch.testing.assert_close(features, torch.from_numpy(expected), rtol=1e-5, atol=1e-5)
    assert own.spatial.protocol == own.protocol | {"name": "inception_spatial", "layer": "mixed_6/conv, 7 channels"}


def titles(extractor):
    names = [title(each, extractor) for each in ("fd", "rfd", "kid", "kid_full", "inception_score", "cmmd")]
    return [*names, title("fd", extractor.spatial)]


def test_names_of_its_distances_are_those_of_the_field_by_the_known_weights_alone(weights, own, monkeypatch, caplog):
    plain = [f"{name}_inception" for name in ("fd", "rfd", "kid", "kid_full", "inception_score", "cmmd")]
    assert titles(own) == [*plain, "fd_inception_spatial"]
    monkeypatch.setattr("darkroom.metrics.inception_extractor.KNOWN", digest(weights)[:8])
    assert titles(InceptionExtractor(weights=str(weights))) == [
        *("fid", "rfid", "kid", "kid_full", "inception_score", "cmmd_inception"),
        "sfid",
    ]
    assert not caplog.messages
    monkeypatch.undo()
    InceptionExtractor(weights=str(weights))
    [words] = caplog.messages
    assert f"{weights}: its sha256 begins with {digest(weights)[:8]} and that of FID's network with 6726825d" in words


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"extractor\.weights=.*nowhere\.pth: there is no such file"):
        InceptionExtractor(weights=str(tmp_path / "nowhere.pth"))
