"""Distances between folders of pictures, by the command, and each metric moves as it must.

Of real photos and a network that has learnt, and of pictures and a network that are made here.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from metrics.photos import FILES, REAL, made, needs_real_data, untrained
from PIL import Image, ImageFilter
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from darkroom.commands import evaluate
from darkroom.commands.folders import error
from darkroom.data.plain_folder import PlainFolder, prepared
from darkroom.metrics.inception_extractor import InceptionExtractor
from darkroom.metrics.statistics_file import read_statistics, write_statistics

ROOT = Path(__file__).resolve().parents[2]
EACH = 60


def noisy(picture, random):
    values = np.asarray(picture) + random.normal(0, 25, np.asarray(picture).shape)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def photos():
    paths = sorted(Path(REAL or "", "grocery", "train").rglob("*.jpg"))
    chosen = [paths[i * len(paths) // (2 * EACH)] for i in range(2 * EACH)]
    return [Image.open(path).convert("RGB").resize((96, 96)) for path in chosen]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("real", marks=needs_real_data),
        pytest.param("made", marks=[pytest.mark.slow] if REAL else []),
    ],
)
def folders(request, tmp_path_factory):
    """A reference of sixty pictures, sixty others, what may become of those, and weights of two networks."""
    place, random = tmp_path_factory.mktemp(request.param), np.random.default_rng(0)
    pictures = photos() if request.param == "real" else made(2 * EACH, seed=0)
    for model, name in FILES.items():
        if request.param == "real":
            shutil.copy(Path(REAL or "", "weights", name), place / f"{model}.safetensors")
        else:
            untrained(model, 96, place)
    sets = {
        "reference": pictures[::2],
        "others": pictures[1::2],
        "blurred": [each.filter(ImageFilter.GaussianBlur(2)) for each in pictures[1::2]],
        "noisy": [noisy(each, random) for each in pictures[1::2]],
        "few modes": [pictures[1 + 2 * (i % 3)] for i in range(EACH)],
    }
    for name, each in sets.items():
        (place / name).mkdir()
        for number, picture in enumerate(each):
            picture.save(place / name / f"{number:03d}.png")
    return place


def measured(folders, generated, *more):
    out = folders / f"{generated}.json"
    weights = folders / "squeezenet1_1.safetensors"
    argv = [f"generated={folders / generated}", f"reference={folders / 'reference'}", "extractor=squeezenet1_1"]
    argv += [f"extractor.weights={weights}", "extractor.size=96", f"out={out}"]
    kid = [] if any(each.startswith("metrics=") for each in more) else ["kid_size=50"]
    argv += [f"cache={folders / 'cache'}", *kid, *more]
    assert evaluate.main(argv, ROOT / "conf") == 0
    found = json.loads(out.read_text())
    out.unlink()  # else the next measurement of that name is refused
    return found


def test_each_metric_moves_the_right_way(folders, capsys):
    real, blurred, noise, few = (measured(folders, name) for name in ("others", "blurred", "noisy", "few modes"))
    assert "under 2048 a distance tells their number" in capsys.readouterr().out
    for name in ("fd_squeezenet1_1", "kid_squeezenet1_1", "kid_full_squeezenet1_1"):
        assert all(each[name]["value"] > 1.5 * real[name]["value"] for each in (blurred, noise, few))
    assert noise["precision"]["value"] < real["precision"]["value"] - 0.15
    assert few["recall"]["value"] < 0.5 < real["recall"]["value"]
    assert few["coverage"]["value"] < 0.5 < real["coverage"]["value"]
    assert real["density"]["value"] > noise["density"]["value"]


def test_a_folder_against_itself_is_at_no_distance(folders):
    found = measured(folders, "reference")
    assert abs(found["fd_squeezenet1_1"]["raw"]) < 1e-3 * found["fd_squeezenet1_1"]["protocol"]["m"]
    assert (found["precision"]["value"], found["coverage"]["value"]) == (1, 1)


def test_pictures_that_are_one_are_measured_and_told(folders, capsys):
    (folders / "same").mkdir(exist_ok=True)
    for number in range(8):
        shutil.copy(folders / "others" / "000.png", folders / "same" / f"{number}.png")
    found = measured(folders, "others", f"reference={folders / 'same'}", "kid_size=8", f"cache={folders / 'other'}")
    assert found["fd_squeezenet1_1"]["sd"] > 0
    assert "all pictures of the reference have the same features" in capsys.readouterr().out


def test_statistics_are_kept_and_read_back(folders, capsys, monkeypatch):
    whole = measured(folders, "others")
    kept = folders / "kept.npz"
    monkeypatch.setattr("darkroom.commands.folder_features.prepared", lambda *_: pytest.fail("was decoded again"))
    extractor = [f"extractor.weights={folders}/squeezenet1_1.safetensors", "extractor.size=96"]
    argv = [f"reference={folders / 'reference'}", "extractor=squeezenet1_1", *extractor, f"cache={folders / 'cache'}"]
    assert evaluate.main([*argv, f"statistics_out={kept}"], ROOT / "conf") == 0
    monkeypatch.undo()
    assert measured(folders, "others", f"reference={kept}") == whole
    assert (
        evaluate.main(
            [*argv, f"generated={folders / 'others'}", f"reference={kept}", "extractor.size=64"], ROOT / "conf"
        )
        == 2
    )
    assert "kept.npz: was made by another extractor: size: 96 and 64" in capsys.readouterr().err
    kept_by = read_statistics(kept)
    for protocol in ({**kept_by.protocol, "through": "an autoencoder"}, {"extractor": 1, "reference": "alone"}):
        write_statistics(kept, replace(kept_by, protocol=protocol))
        assert evaluate.main([*argv, f"generated={folders / 'others'}", f"reference={kept}"], ROOT / "conf") == 2
        assert "kept.npz: is not of pictures as they are" in capsys.readouterr().err


def test_statistics_of_another_program_give_the_frechet_distance_alone(folders, capsys, monkeypatch):
    whole = measured(folders, "others")
    with np.load(next((folders / "cache").glob("*.npz"))) as file:
        np.savez(folders / "foreign.npz", mu=file["mu"], sigma=file["sigma"])
    reference = f"reference={folders / 'foreign.npz'}"
    found = measured(folders, "others", reference, "metrics=[fd]")["fd_squeezenet1_1"]
    assert found["value"] == pytest.approx(whole["fd_squeezenet1_1"]["value"], rel=1e-9)
    assert "declared" in found["protocol"]["reference"] and found["protocol"]["n"] is None
    argv = [f"generated={folders / 'others'}", reference, "extractor=squeezenet1_1", "extractor.size=96"]
    argv += [f"extractor.weights={folders}/squeezenet1_1.safetensors"]
    monkeypatch.setattr("darkroom.commands.folder_features.prepared", lambda *_: pytest.fail("was decoded"))
    for families, missing in ((["metrics=[fd,cmmd]"], "cmmd"), ([], "kid")):
        assert evaluate.main([*argv, *families], ROOT / "conf") == 2
        [line] = capsys.readouterr().err.splitlines()
        assert f"foreign.npz: holds mean and covariance alone, which give no {missing}; give metrics=[fd]" in line


def test_a_reference_of_another_width_is_told_by_the_first_pictures(folders, capsys, monkeypatch):
    np.savez(folders / "narrow.npz", mu=np.zeros(7), sigma=np.eye(7))
    asked = []

    def watched(root, names, prepare):
        asked.append(len(names))
        return prepared(root, names, prepare)

    monkeypatch.setattr("darkroom.commands.folder_features._BATCH", EACH // 3)
    monkeypatch.setattr("darkroom.commands.folder_features.prepared", watched)
    argv = [f"generated={folders / 'others'}", f"reference={folders / 'narrow.npz'}", "extractor=squeezenet1_1"]
    argv += [f"extractor.weights={folders}/squeezenet1_1.safetensors", "extractor.size=64", "metrics=[fd]"]
    assert evaluate.main(argv, ROOT / "conf") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("reference: its features have 7 numbers and those of squeezenet1_1 512")
    assert asked == [EACH // 3]


class Small(torch.nn.Module):
    """In the place of Inception, for features of few numbers."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 6, 75, stride=75)  # to 3 x 3 places

    def forward(self, picture):
        return self.conv(picture).mean(dim=(2, 3))

    def spatial(self, picture):
        return self.conv(picture)[:, :1].relu().flatten(1)


def test_a_file_of_inceptions_statistics_is_guided_diffusions_and_gives_sfid_beside_fid(tmp_path, monkeypatch):
    monkeypatch.setattr("darkroom.metrics.inception_extractor.Inception", Small)
    monkeypatch.setattr("darkroom.metrics.inception_extractor.KNOWN", "")  # any file counts as FID's own
    monkeypatch.setattr("darkroom.metrics.extractor.MICRO_BATCH", 12)
    torch.manual_seed(0)
    torch.save(Small().state_dict(), tmp_path / "small.pth")
    spatial, of = InceptionExtractor(weights=str(tmp_path / "small.pth")).spatial, {}
    for name, pictures in (("reference", made(12, seed=0)), ("others", made(12, seed=1))):
        (tmp_path / name).mkdir()
        for number, picture in enumerate(pictures):
            picture.save(tmp_path / name / f"{number:02d}.png")
        folder = PlainFolder(tmp_path / name)
        of[name] = fid_features_to_statistics(spatial(prepared(folder.root, folder.names, spatial.prepare)))
    expected = fid_statistics_to_metric(of["others"], of["reference"], False)["frechet_inception_distance"]
    kept, foreign = tmp_path / "kept.npz", tmp_path / "foreign.npz"
    argv = ["extractor=inception", f"extractor.weights={tmp_path / 'small.pth'}", f"generated={tmp_path / 'others'}"]
    argv += ["metrics=[fd]", f"cache={tmp_path / 'cache'}"]
    for number, given in enumerate(
        ([f"reference={tmp_path / 'reference'}", f"statistics_out={kept}"], [f"reference={foreign}"])
    ):
        out = tmp_path / f"{number}.json"
        assert evaluate.main([*argv, *given, f"out={out}"], ROOT / "conf") == 0
        found = json.loads(out.read_text())
        assert set(found) == {"fid", "sfid"}
        assert found["sfid"]["value"] == pytest.approx(expected, rel=1e-4)
        fid, sfid = (found[name]["protocol"] for name in ("fid", "sfid"))
        assert (fid["width"], sfid["width"], sfid["m"]) == (6, 9, 12)
        assert sfid["extractor"] == spatial.protocol and sfid["reference"] == fid["reference"]
        with np.load(kept) as file:
            np.testing.assert_allclose(file["mu_s"], of["reference"]["mu"], rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(file["sigma_s"], of["reference"]["sigma"], rtol=1e-4, atol=1e-7)
            np.savez(foreign, **{name: file[name] for name in ("mu", "sigma", "mu_s", "sigma_s")})


def test_a_family_that_these_features_cannot_give_is_refused_and_others_are_named_after_them(folders, capsys):
    assert set(measured(folders, "others", "metrics=[cmmd]")) == {"cmmd_squeezenet1_1"}
    argv = [f"generated={folders / 'others'}", f"reference={folders / 'reference'}", "extractor=squeezenet1_1"]
    argv += [f"extractor.weights={folders}/squeezenet1_1.safetensors", "metrics=[fd,inception_score]"]
    assert evaluate.main(argv, ROOT / "conf") == 2
    said = capsys.readouterr()
    assert "squeezenet1_1 gives features alone; give extractor=inception" in said.err


def test_the_uncertainty_of_a_number_is_told_by_its_name():
    assert error({"value": 0.5, "sd": 0.134, "chance": 0.25}) == "standard error 0.13, chance 0.25"
    assert error({"value": 0.5, "interval": (0.4, 0.6)}) == "0.4 to 0.6"


def test_of_many_pictures_sums_are_enough_for_the_frechet_distance_and_its_error(folders, monkeypatch):
    whole = measured(folders, "others", "metrics=[fd]", f"cache={folders / 'whole'}")["fd_squeezenet1_1"]
    with monkeypatch.context() as patch:
        patch.setattr("darkroom.metrics.collecting.HELD", EACH // 2)
        found = measured(folders, "others", "metrics=[fd]", f"cache={folders / 'sums'}")["fd_squeezenet1_1"]
    [kept] = (folders / "sums").glob("*.npz")
    with np.load(kept) as file:
        assert "features" not in file.files
    assert (found["value"], found["protocol"]) == (whole["value"], whole["protocol"])
    assert found["sd"] == pytest.approx(whole["sd"], rel=0.1)
    assert (whole["sd_by"], found["sd_by"]) == ("first order", f"first order, by {EACH // 2} of {EACH}")
    assert "kid_squeezenet1_1" in measured(folders, "others", "metrics=[kid]", f"cache={folders / 'sums'}")


@pytest.mark.parametrize(("many", "family", "least"), [(1, "fd", 2), (3, "precision_recall", 4)])
def test_too_few_pictures_for_a_family_are_told_before_any_is_decoded(
    folders, capsys, tmp_path, monkeypatch, many, family, least
):
    for path in sorted((folders / "others").iterdir())[:many]:
        shutil.copy(path, tmp_path)
    monkeypatch.setattr("darkroom.commands.folder_features.prepared", lambda *_: pytest.fail("was decoded"))
    argv = ["extractor=squeezenet1_1", f"extractor.weights={folders}/squeezenet1_1.safetensors", f"metrics=[{family}]"]
    for key, other in (("generated", "reference"), ("reference", "generated")):
        given = [f"{key}={tmp_path}", f"{other}={folders / 'others'}", f"cache={tmp_path / 'cache'}"]
        assert evaluate.main([*argv, *given], ROOT / "conf") == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"{key}={tmp_path}: {many} picture")
        assert f"too few for {family}; give at least {least}" in line


def test_a_kid_size_over_the_number_of_pictures_is_told_before_any_is_decoded(folders, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("darkroom.commands.folder_features.prepared", lambda *_: pytest.fail("was decoded"))
    argv = ["extractor=squeezenet1_1", f"extractor.weights={folders}/squeezenet1_1.safetensors", "metrics=[kid]"]
    given = [f"{key}={folders / 'others'}" for key in ("generated", "reference")]
    assert evaluate.main([*argv, *given, "kid_size=5000", f"cache={tmp_path}"], ROOT / "conf") == 2
    assert "too few for kid_size=5000; give more, or set it lower" in capsys.readouterr().err


def test_every_number_carries_its_protocol(folders):
    found = measured(folders, "others")
    by_extractor = {f"{name}_squeezenet1_1" for name in ("fd", "kid", "kid_full")}
    assert by_extractor | {"precision", "recall", "density", "coverage"} == set(found)
    ids = {number["protocol_id"] for number in found.values()}
    assert len(ids) == len(found)
    protocol = found["fd_squeezenet1_1"]["protocol"]
    assert (protocol["m"], protocol["n"], protocol["extractor"]["size"]) == (EACH, EACH, 96)


def test_what_only_the_pictures_tell_is_one_line(folders, capsys):
    broken = folders / "broken"
    broken.mkdir(exist_ok=True)
    (broken / "a.png").write_bytes(b"")
    shutil.copy(folders / "others" / "000.png", broken)
    weights = folders / "mobilenet_v2.safetensors"
    argv = [f"generated={broken}", f"reference={folders / 'others'}", "extractor=squeezenet1_1", "metrics=[fd]"]
    assert evaluate.main([*argv, f"extractor.weights={weights}"], ROOT / "conf") == 2
    assert "is of another network" in capsys.readouterr().err
    right = weights.with_name("squeezenet1_1.safetensors")
    assert evaluate.main([*argv, f"extractor.weights={right}"], ROOT / "conf") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "a.png: the file is empty" in line
