import hashlib

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from darkroom.metrics.weights_file import fill

STATE = nn.Linear(3, 2).state_dict()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_what_has_a_place_is_loaded_in_the_networks_precision_and_the_hash_answered(tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    state = {"weight": torch.ones(2, 3).half(), "bias": torch.zeros(2), "head.weight": torch.ones(1)}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    network = nn.Linear(3, 2)
    assert fill(network, path, key="part.weights") == hashlib.sha256(path.read_bytes()).hexdigest()
    assert torch.equal(network.weight, torch.ones(2, 3)) and not network.bias.any()


def test_a_counter_of_batches_may_be_missing(tmp_path):
    network = nn.BatchNorm2d(2)
    state = {name: value for name, value in network.state_dict().items() if name != "num_batches_tracked"}
    save_file(state, tmp_path / "w.safetensors")
    fill(network, tmp_path / "w.safetensors", key="part.weights")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"bias": STATE["bias"]}, "has no weight, so it is of another network"),
        (
            {"weight": torch.ones(3, 3), "bias": torch.zeros(2)},
            "has another shape of weight, so it is of another network",
        ),
        ({"weight": "text", "bias": torch.zeros(2)}, "has no weight"),
        ([torch.ones(2, 3)], "holds a list and no state dict"),
        ("no weights", "cannot be read"),
    ],
)
def test_other_files_are_refused_with_key_and_path(tmp_path, content, words):
    path = tmp_path / "w.pth"
    path.write_text(content) if isinstance(content, str) else torch.save(content, path)
    with pytest.raises(ValueError, match=rf"^part\.weights=\S*w\.pth: {words}"):
        fill(nn.Linear(3, 2), path, key="part.weights")


@pytest.mark.parametrize("name", ["none.pth", "."])
def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=r"^part\.weights=\S+: there is no such file"):
        fill(nn.Linear(3, 2), tmp_path / name, key="part.weights")
