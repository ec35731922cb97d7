"""Real photos, and generators that copy them more or less: seen in the numbers, by the command and on its sheet."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image, ImageOps

from darkroom.build import build
from darkroom.commands import evaluate
from darkroom.commands.memorisation import save_pairs
from darkroom.data.decode import decode
from darkroom.data.transforms import square
from darkroom.metrics.extractor import features
from darkroom.metrics.memorisation import Pair, memorisation

ROOT = Path(__file__).resolve().parents[2]
REAL = os.environ.get("DARKROOM_REAL_DATA")
real = pytest.mark.skipif(REAL is None, reason="DARKROOM_REAL_DATA is not set")
WEIGHTS = Path(REAL or "", "weights", "squeezenet1_1.safetensors")
EACH = 80


def noisy(picture, sigma, random):
    values = np.asarray(picture) + random.normal(0, sigma, np.asarray(picture).shape)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def photos():
    """Three sets of photos that any of them might be in, and copies of the first."""
    paths = sorted(Path(REAL or "", "grocery", "train").rglob("*.jpg"))
    order = np.random.default_rng(0).permutation(len(paths))[: 3 * EACH]
    three = [[decode(paths[i]).resize((96, 96)) for i in order[part::3]] for part in range(3)]
    random = np.random.default_rng(0)
    return {
        "training": three[0],
        "held_out": three[1],
        "others": three[2],
        "noisy": [noisy(each, 4, random) for each in three[0]],
        "mirrored": [ImageOps.mirror(each) for each in three[0]],
        "one in four": [*three[0][: EACH // 4], *three[2][EACH // 4 :]],
    }


@pytest.fixture(scope="module")
def found(photos):
    """What is found of each generator, by its name."""
    node = OmegaConf.load(ROOT / "conf" / "extractor" / "squeezenet1_1.yaml")
    extractor = build(OmegaConf.merge(node, {"weights": str(WEIGHTS), "size": 96}))
    sets = {name: torch.stack([square(each, 96) for each in pictures]) for name, pictures in photos.items()}
    rows = {name: features(extractor, [pictures]) for name, pictures in sets.items()}
    generators = [name for name in rows if name not in ("training", "held_out")]
    return {name: memorisation(rows[name], rows["training"], rows["held_out"]) for name in generators}


@real
def test_pictures_that_were_never_seen_are_no_copies(found):
    assert not found["others"].copies
    assert abs(found["others"].z) < 3 and found["others"].ratio == pytest.approx(1, abs=0.15)


@real
@pytest.mark.parametrize("name", ["noisy", "mirrored"])
def test_a_generator_that_copies_is_seen_at_once(found, name):
    copied = found[name]
    assert copied.copies and copied.share > 0.7 and copied.ratio < 0.7 and copied.z < -8
    right = sum(pair.generated == pair.training for pair in copied.closest(EACH))
    assert right >= 0.9 * EACH


@real
def test_some_copies_among_new_pictures_are_seen(found):
    some = found["one in four"]
    assert some.copies and some.nearest_of_all >= EACH // 4
    assert {pair.generated for pair in some.closest(EACH // 4)} == set(range(EACH // 4))


@real
def test_the_command_tells_and_draws_it(photos, tmp_path, capsys):
    sets = {"training": photos["training"][:30], "held_out": photos["held_out"][:24], "generated": photos["mirrored"]}
    for name, pictures in sets.items():
        (tmp_path / name).mkdir()
        for number, picture in enumerate(pictures[:30]):
            picture.save(tmp_path / name / f"{name}-{number:03d}.png")
    out = tmp_path / "memorisation.json"
    argv = [f"{name}={tmp_path / name}" for name in sets]
    argv += ["extractor=squeezenet1_1", f"extractor.weights={WEIGHTS}", "extractor.size=64"]
    argv += [f"cache={tmp_path / 'cache'}", f"out={out}"]
    assert evaluate.main(argv, ROOT / "conf") == 0
    said = capsys.readouterr().out
    assert "30 generated, 30 training and 24 held-out" in said and "warning: copies: " in said
    result = json.loads(out.read_text())
    assert result["memorisation_share"]["value"] > 0.7 and result["memorisation_ratio"]["value"] < 0.7
    pairs = result["memorisation_closest"]["pairs"]
    assert len(pairs) == 16 and all(pair["training"][-7:] == pair["generated"][-7:] for pair in pairs)
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 2
    with Image.open(out.with_suffix(".png")) as sheet:
        assert sheet.width > 8 * 160 and sheet.height > 4 * 160


def test_the_sheet_shows_each_picture_above_its_nearest(tmp_path):
    generated = torch.tensor([[255, 0, 0], [0, 0, 255]], dtype=torch.uint8)[..., None, None].expand(2, 3, 160, 160)
    pairs = [Pair(7, 2, 0.25, 1.0), Pair(1, 9, 0.5, 0.997)]
    save_pairs(tmp_path / "pairs.png", generated, generated.flip(0), pairs)
    with Image.open(tmp_path / "pairs.png") as sheet:
        column = [sheet.getpixel((16 + 80, 16 + y)) for y in (80, 162, 240)]
        other = [sheet.getpixel((16 + 160 + 12 + 80, 16 + y)) for y in (80, 162, 240)]
    assert column == [(255, 0, 0), (255, 255, 255), (0, 0, 255)]
    assert other == column[::-1]
