import hashlib
import json
from functools import partial

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from darkroom.keys import keys
from darkroom.metrics.extractor import MICRO_BATCH, Extractor
from darkroom.metrics.protocol import differences, recorded
from darkroom.metrics.reference import kept_file
from darkroom.networks.pretrained.trunk import Trunk

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
PICTURES = keys(seed=0, purpose="pictures", places=range(MICRO_BATCH + 5)).integers(256, (3, 64, 64)).to(torch.uint8)
SQUEEZENET = partial(Trunk, model="squeezenet1_1")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return torchvision.models.squeezenet1_1(weights=None).eval()


def extractor(path, network=SQUEEZENET):
    return Extractor(name="x", network=network, weights=str(path), size=64, mean=MEAN, std=STD)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_features_are_torchvisions_own(tmp_path, network, suffix):
    path = tmp_path / f"weights{suffix}"
    state = {name: value.half() if value.ndim == 4 else value for name, value in network.state_dict().items()}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    own = extractor(path)
    network.load_state_dict(state)
    scaled = (PICTURES.float() / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(own(PICTURES), network.features(scaled).mean((2, 3)), rtol=1e-5, atol=1e-6)
    assert own.hash == own.protocol["weights"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_pictures_features_are_the_same_to_the_bit_whatever_comes_with_it(tmp_path, network):
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    own = extractor(tmp_path / "w.safetensors")
    whole = own(PICTURES)
    assert torch.equal(torch.cat([own(rows) for rows in PICTURES.split(MICRO_BATCH)]), whole)
    assert torch.equal(own(PICTURES[MICRO_BATCH:]), whole[MICRO_BATCH:])


class Pooled(Trunk):
    """Another layer of the same weights."""

    def __init__(self, model, pool="max"):
        super().__init__(model)
        self.pool = pool

    def forward(self, picture):
        maps = self.features(picture)
        return maps.amax(dim=(2, 3)) if self.pool == "max" else super().forward(picture)


def test_the_protocol_tells_which_features_of_the_same_weights_they_are(tmp_path, network):
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    makers = {
        "Trunk": SQUEEZENET,
        "max": partial(Pooled, model="squeezenet1_1"),
        "mean": partial(Pooled, model="squeezenet1_1", pool="mean"),
    }
    of = {name: extractor(tmp_path / "w.safetensors", maker) for name, maker in makers.items()}
    assert (of["max"](PICTURES[:1]) - of["mean"](PICTURES[:1])).abs().max() > 0.1
    assert len({kept_file(tmp_path, {"extractor": each.protocol}) for each in of.values()}) == 3
    assert list(differences(of["max"].protocol, of["mean"].protocol)) == ["network.pool: max and mean"]
    told = partial(Pooled, model="squeezenet1_1", pool="max")  # as it is by default
    assert extractor(tmp_path / "w.safetensors", told).protocol == of["max"].protocol


def test_a_network_that_is_built_already_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^extractor\.network: is built already, .* give it _partial_: true$"):
        extractor(tmp_path / "w.safetensors", Trunk("squeezenet1_1"))


def test_a_record_holds_plain_values_that_come_back_from_a_file():
    record = recorded(partial(torch.nn.Conv2d, 3, out_channels=4, kernel_size=(1, 2), dtype=torch.float32))
    assert record == json.loads(json.dumps(record))
    assert (record["class"], record["in_channels"]) == ("torch.nn.modules.conv.Conv2d", 3)
    assert (record["kernel_size"], record["stride"], record["dtype"]) == ([1, 2], 1, "torch.float32")
    with pytest.raises(TypeError, match="'out_channels'"):
        recorded(partial(torch.nn.Conv2d, 3))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda state: state.pop("features.0.weight"), "has no features.0.weight"),
        (lambda state: state.update({"features.0.bias": torch.zeros(3)}), "has another shape of features.0.bias"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, network, spoil, words):
    state = dict(network.state_dict())
    spoil(state)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=rf"extractor\.weights=.*{words}, so it is of another network"):
        extractor(tmp_path / "w.safetensors")


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "w.safetensors").write_text("no weights")
    with pytest.raises(ValueError, match=r"extractor\.weights=.*w\.safetensors: cannot be read"):
        extractor(tmp_path / "w.safetensors")


@pytest.mark.parametrize(("model", "words"), [("squeezenet9", "none of that name"), ("resnet18", "no features")])
def test_networks_without_a_trunk_are_refused(model, words):
    with pytest.raises(ValueError, match=words):
        Trunk(model)
