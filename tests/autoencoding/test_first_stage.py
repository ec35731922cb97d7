"""The artifact: a folder that gives back what was written, refuses what was not, and normalises."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from safetensors.torch import load_file

from darkroom.autoencoding.artifact import hash_of, read_latents
from darkroom.autoencoding.first_stage import Identity, copy_artifact, load_artifact, write_artifact
from darkroom.autoencoding.latent_statistics import LatentStatistics
from darkroom.autoencoding.loss.reconstruction import L1
from darkroom.build import build
from darkroom.contracts import to_float, to_uint8
from darkroom.keys import keys

CONF = Path(__file__).parents[2] / "conf"
REAL = os.environ.get("DARKROOM_REAL_DATA")
ROOT = {
    "width": 8,
    "autoencoder": {
        "_target_": "darkroom.autoencoding.model.Autoencoder",
        "encoder": {
            "_target_": "darkroom.networks.autoencoder.Encoder",
            "out_channels": 6,
            "width": "${width}",
            "multipliers": [1, 2],
            "num_res_blocks": 1,
            "norm_groups": 4,
        },
        "bottleneck": {"_target_": "darkroom.autoencoding.bottleneck.gaussian.Gaussian"},
        "decoder": {
            "_target_": "darkroom.networks.autoencoder.Decoder",
            "latent_channels": 3,
            "width": "${width}",
            "multipliers": [1, 2],
            "num_res_blocks": 1,
            "norm_groups": 4,
        },
    },
}


def pictures(n: int) -> torch.Tensor:
    return keys(seed=0, purpose="test", places=range(n)).uniform((3, 16, 16)) * 2 - 1


def written(folder: Path, picture: torch.Tensor | None = None):
    """An untrained autoencoder and its artifact in ``folder``."""
    config = OmegaConf.create(ROOT).autoencoder
    model = build(config)
    statistics = LatentStatistics(3)
    with torch.no_grad():
        statistics.update(model.encode(pictures(64) if picture is None else picture))
    weights = {name: value.double() for name, value in model.state_dict().items()}
    arguments = {"config": config, "autoencoder": model, "weights": weights, "statistics": statistics, "step": 7}
    write_artifact(folder, **arguments, resolution=16, fingerprint="of the data")
    return model, arguments


def test_a_run_and_its_folder_give_back_the_autoencoder_with_normalised_latents(tmp_path):
    model, _ = written(tmp_path / "run" / "first_stage")
    for path in (tmp_path / "run", str(tmp_path / "run" / "first_stage")):
        stage = load_artifact(path)
        picture = pictures(64)
        posterior = stage.encode(picture)
        aggregate = posterior.mean.var(dim=(0, 2, 3), correction=0) + posterior.std.square().mean(dim=(0, 2, 3))
        torch.testing.assert_close(posterior.mean.mean(dim=(0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-4)
        torch.testing.assert_close(aggregate, torch.ones(3), rtol=1e-4, atol=0)
        with torch.no_grad():
            torch.testing.assert_close(stage.decode(posterior.mean), model(picture)[0], rtol=1e-4, atol=1e-5)
        assert (stage.spec.channels, stage.spec.factor) == (3, 2)


def test_the_folder_says_how_it_was_made_and_its_hash_can_be_checked_in_a_shell(tmp_path):
    folder = tmp_path / "first_stage"
    written(folder)
    latents = json.loads((folder / "latents.json").read_text())
    assert latents["shape"] == [3, 8, 8] and latents["factor"] == 2 and latents["picture_range"] == [-1, 1]
    assert (latents["data_fingerprint"], latents["step"]) == ("of the data", 7)
    assert len(latents["mean"]) == len(latents["std"]) == 3
    assert OmegaConf.load(folder / "config.yaml").encoder.width == 8  # resolved: it stands without the run's config
    assert {value.dtype for value in load_file(folder / "weights.safetensors").values()} == {torch.float32}
    line = "sha256sum config.yaml weights.safetensors latents.json | sha256sum"
    in_shell = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, check=True).stdout.split()[
        0
    ]
    assert (folder / "HASH").read_text().strip() == in_shell == load_artifact(folder).spec.hash
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1  # who may read one may read all
    assert [path.name for path in tmp_path.iterdir()] == ["first_stage"]  # nothing temporary is left


def test_a_frozen_first_stage_stays_frozen_inside_a_module_that_trains(tmp_path):
    written(tmp_path / "first_stage")
    around = torch.nn.ModuleList([load_artifact(tmp_path)]).train()
    assert not any(module.training for module in around[0].modules())
    assert not any(parameter.requires_grad for parameter in around.parameters())


def test_loading_leaves_the_random_stream_alone(tmp_path):
    written(tmp_path / "first_stage")
    before = torch.random.get_rng_state()
    load_artifact(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", ["config.yaml", "weights.safetensors", "latents.json"])
def test_a_changed_file_is_refused(tmp_path, name):
    written(tmp_path / "first_stage")
    with (tmp_path / "first_stage" / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(ValueError, match="was changed after it was written"):
        load_artifact(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"factor": 0}, r"latents\.json: has factor=0, so no training here has written it"),
        ({"factor": None}, r"latents\.json: has factor=None"),
        ({"version": None}, r"latents\.json has version=None, this darkroom reads 1"),
        ({"mean": None}, r"latents\.json: has no mean of 3 numbers"),
        ({"std": [1.0]}, r"latents\.json: has no std of 3 numbers"),
        ({"std": ["1", "2", "x"]}, r"latents\.json: has no std of 3 numbers"),
    ],
)
def test_latents_that_no_training_writes_are_refused_though_the_hash_is_right(tmp_path, change, words):
    folder = tmp_path / "first_stage"
    written(folder)
    path = folder / "latents.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    (folder / "HASH").write_text(hash_of(folder))
    with pytest.raises(ValueError, match=words):
        load_artifact(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\ud800"])
def test_latents_that_are_no_mapping_are_refused(tmp_path, text):
    (tmp_path / "latents.json").write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(ValueError, match=r"latents\.json: .*so no training here has written it"):
        read_latents(tmp_path)


def test_weights_that_are_cut_short_are_named_though_the_hash_is_right(tmp_path):
    folder = tmp_path / "first_stage"
    written(folder)
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    (folder / "HASH").write_text(hash_of(folder))
    with pytest.raises(ValueError, match=r"weights\.safetensors: cannot be read .*; copy .*first_stage again"):
        load_artifact(tmp_path)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"first_stage.path=.*nowhere: there is no such folder"):
        load_artifact(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"lacks config.yaml, weights.safetensors, latents.json, HASH"):
        load_artifact(tmp_path)
    written(tmp_path / "first_stage")
    (tmp_path / "first_stage" / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks weights.safetensors"):
        load_artifact(tmp_path)


def test_an_artifact_is_never_overwritten_and_a_failed_one_leaves_nothing(tmp_path):
    _, arguments = written(tmp_path / "first_stage")
    with pytest.raises(FileExistsError, match="never overwritten"):
        write_artifact(tmp_path / "first_stage", **arguments, resolution=16, fingerprint="again")
    with pytest.raises(TypeError):
        write_artifact(tmp_path / "other", **arguments, resolution=16, fingerprint=object())  # not for JSON
    assert [path.name for path in tmp_path.iterdir()] == ["first_stage"]


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    _, arguments = written(tmp_path / "first_stage")
    weights = dict(arguments["weights"])
    weights["decoder.stem.bias"] = torch.zeros(7)
    weights["surplus"] = weights.pop("decoder.stem.weight")
    message = r"decoder.stem.bias has shape \(7,\), not \(16,\), decoder.stem.weight is missing, surplus is not known"
    with pytest.raises(ValueError, match=message):
        write_artifact(tmp_path / "new", **{**arguments, "weights": weights}, resolution=16, fingerprint="")


def test_a_copy_is_the_same_artifact_and_another_is_not_put_over_it(tmp_path):
    written(tmp_path / "one" / "first_stage")
    written(tmp_path / "two" / "first_stage")
    copy = tmp_path / "diffusion" / "first_stage"
    hash = copy_artifact(tmp_path / "one", copy)
    assert hash == copy_artifact(tmp_path / "one", copy) == load_artifact(copy).spec.hash
    with pytest.raises(FileExistsError):
        copy_artifact(tmp_path / "two", copy)


def test_identity_is_pixel_diffusion():
    stage, picture = build(OmegaConf.load(CONF / "first_stage" / "identity.yaml")), pictures(2)
    posterior = stage.encode(picture)
    assert torch.equal(stage.decode(posterior.sample(keys(seed=0, purpose="draw", places=range(2)))), picture)
    assert stage.spec.shape(16) == (3, 16, 16) and stage.spec.hash == "identity"
    assert isinstance(stage, Identity)


@pytest.mark.skipif(REAL is None, reason="DARKROOM_REAL_DATA is not set")
@pytest.mark.parametrize("pattern", ["grocery/train/**/*.jpg", "noto_emoji/*.png"])
def test_an_autoencoder_of_a_few_steps_on_real_pictures_survives_its_artifact(tmp_path, pattern):
    files = sorted(Path(REAL).glob(pattern))[:16]
    arrays = [np.asarray(Image.open(file).convert("RGB").resize((32, 32))) for file in files]
    picture = to_float(torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2))
    config = OmegaConf.create(ROOT).autoencoder
    torch.manual_seed(0)
    model, term = build(config), L1()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    errors = []
    for step in range(30):
        reconstruction, posterior = model(picture, keys(seed=0, purpose="posterior", step=step, places=range(16)))
        loss = term(picture, reconstruction, posterior)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
    assert errors[-1] < 0.7 * errors[0]
    statistics = LatentStatistics(3)
    with torch.no_grad():
        statistics.update(model.encode(picture))
        before = to_uint8(model(picture)[0])
    arguments = {"config": config, "autoencoder": model, "weights": model.state_dict(), "statistics": statistics}
    write_artifact(tmp_path / "first_stage", **arguments, resolution=32, fingerprint=pattern, step=30)
    stage = load_artifact(tmp_path)
    after = to_uint8(stage.decode(stage.encode(picture).mean))
    assert (after.int() - before.int()).abs().max() <= 1
