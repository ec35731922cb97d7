"""Weights that other programs fetched are found where those keep them."""

from pathlib import Path

import huggingface_hub.constants
import lpips
import pytest
import torch
from omegaconf import OmegaConf

from darkroom.metrics import weights_cache


@pytest.mark.parametrize("variable", ["TORCH_HOME", "XDG_CACHE_HOME", None])
def test_torch_hub_is_where_torch_says(variable, tmp_path, monkeypatch):
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
    assert weights_cache.torch_hub("a-12.pth") == f"{torch.hub.get_dir()}/checkpoints/a-12.pth"


def test_what_hugging_face_fetched_is_found_at_its_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--house--net"
    (folder / "snapshots" / "c0ffee").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("c0ffee")
    (folder / "snapshots" / "c0ffee" / "model.safetensors").write_text("weights")
    assert weights_cache.hf_hub("house/net", "model.safetensors") == str(
        folder / "snapshots" / "c0ffee" / "model.safetensors"
    )


def test_the_place_that_is_told_is_one_in_which_hugging_face_looks(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    place = Path(weights_cache.hf_hub("house/net", "model.safetensors"))
    assert not place.exists()
    place.parent.mkdir(parents=True)
    place.write_text("weights")
    assert huggingface_hub.try_to_load_from_cache("house/net", "model.safetensors") == str(place)


def test_a_package_gives_its_file_without_being_imported():
    path = weights_cache.in_package("lpips", "weights/v0.1/alex.pth")
    assert Path(path).is_file() and Path(path).is_relative_to(Path(lpips.__file__).parent)
    assert weights_cache.in_package("no_such_package.at_all", "a.pth") == "no_such_package.at_all/a.pth"


def test_a_config_may_name_them():
    weights_cache.register()
    node = OmegaConf.create({"weights": "${torch_hub:vgg16-397923af.pth}"})
    assert node.weights == weights_cache.torch_hub("vgg16-397923af.pth")
