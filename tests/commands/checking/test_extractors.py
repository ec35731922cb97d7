"""Every network that wants a file of weights says, where it gets none, which file, where it should lie and whence."""

from pathlib import Path

import huggingface_hub.constants
import pytest

from darkroom.commands.checking.check import check

CONF = Path(__file__).resolve().parents[3] / "conf"
WANTING = sorted(path.stem for path in (CONF / "extractor").glob("*.yaml") if "weights: ${" in path.read_text())


@pytest.mark.parametrize("name", WANTING)
@pytest.mark.parametrize("given", [[], ["extractor.weights=nowhere"]], ids=["cache", "file"])
def test_a_missing_file_of_weights_is_told_with_its_place_and_address(name, given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    [fault] = check("evaluate", ["generated=.", "reference=.", f"extractor={name}", *given], CONF)
    assert fault.startswith("extractor.weights=nowhere" if given else f"extractor.weights={tmp_path}/")
    assert ("put it there" in fault) is not bool(given)
    address = fault.partition("https://")[2]
    assert address and (given or fault.partition(":")[0].endswith(address.rpartition("/")[2]))
    assert "\n" not in fault


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "perceptual").glob("*.yaml")))
def test_a_missing_trunk_of_a_perceptual_distance_is_told_likewise(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = check("evaluate", ["run=.", f"perceptual={name}"], CONF)
    [trunk] = [each for each in found if each.startswith("perceptual.")]  # linear weights come with the package lpips
    assert trunk.startswith(f"perceptual.weights={tmp_path}/hub/checkpoints/")
    assert "https://download.pytorch.org" in trunk


def test_weights_in_the_usual_cache_need_no_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    place.parent.mkdir(parents=True)
    place.write_text("weights")
    assert not check("evaluate", ["generated=.", "reference=.", "extractor=squeezenet1_1"], CONF)
