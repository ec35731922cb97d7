"""Features of a folder on several devices are those of one."""

import torch
from helper_here import HelperHere
from metrics.photos import made, untrained
from trained import asked

from darkroom.commands import folder_features as module
from darkroom.data.plain_folder import PlainFolder


def test_features_of_two_devices_are_those_of_one_to_the_bit_and_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 32)  # so that each gets some
    monkeypatch.setattr("darkroom.commands.helpers.Helper", HelperHere)
    untrained("squeezenet1_1", 32, tmp_path)
    (tmp_path / "pictures").mkdir()
    for number, picture in enumerate(made(75, seed=0)):
        picture.resize((32, 32)).save(tmp_path / "pictures" / f"{number:03d}.png")
    folder, found = PlainFolder(tmp_path / "pictures"), []
    weights = f"extractor.weights={tmp_path}/squeezenet1_1.safetensors"
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as each of two has on two cores
    for devices in (1, 2):
        config = asked("evaluate", "extractor=squeezenet1_1", weights, "extractor.size=32", f"devices={devices}")
        with module.folder_features(config) as features_of:
            found.append(list(features_of(folder, "some")))
    torch.set_num_threads(before)
    assert [len(rows) for rows in found[1]] == [32, 32, 11]
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
