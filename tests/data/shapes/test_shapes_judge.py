import math
from dataclasses import replace

import pytest
import torch

from darkroom.data.shapes import trials
from darkroom.data.shapes.agreement import Reading, Seen, agreement, agrees
from darkroom.data.shapes.captions import parse
from darkroom.data.shapes.judge import read
from darkroom.data.shapes.render import coverage
from darkroom.data.shapes.trials import Trial
from darkroom.data.shapes.vocabulary import SHAPES


@pytest.fixture(scope="module", params=[2, 3], ids=["two", "three"])
def drawn(request):
    return trials.draw(200, max_shapes=request.param, seed=11)


@pytest.fixture(scope="module")
def real(drawn):
    return trials.real(drawn[0], 64)


@pytest.fixture(scope="module")
def reconstructed(drawn, real):
    return Trial(trials.reconstructed(real.pictures, drawn[1]), real.requirements)


def _accepted(*captioned: Trial) -> float:
    """Share of pictures accepted under at least one of the captions."""
    readings = read(captioned[0].pictures)
    agreed = [[agrees(*row) for row in zip(readings, trial.requirements, strict=True)] for trial in captioned]
    return sum(map(any, zip(*agreed, strict=True))) / len(readings)


def test_real_pictures_are_read_right(real):
    assert _accepted(real) >= 0.99


def test_reconstructions_are_read_right(real, reconstructed):
    error = ((real.pictures.float() - reconstructed.pictures.float()) / 255).square().mean(dim=(1, 2, 3))
    assert 29 < (-10 * error.log10()).mean() < 32  # no better than a small autoencoder's
    assert _accepted(reconstructed) >= 0.98


def test_a_caption_with_one_word_exchanged_is_refused(drawn, real, reconstructed):
    wrong = trials.exchanged(real.requirements, drawn[1])
    assert all(one != other for one, other in zip(wrong, real.requirements, strict=True))
    assert _accepted(replace(real, requirements=wrong)) <= 0.01
    assert _accepted(replace(reconstructed, requirements=wrong)) <= 0.01


def test_a_shape_too_many_or_too_few_is_refused(drawn):
    for trial in trials.miscounted(drawn[0], 64):
        assert _accepted(trial) <= 0.01


def test_an_even_blend_is_refused_under_either_caption(real, reconstructed):
    assert _accepted(*trials.blended(real)) <= 0.01
    assert _accepted(*trials.blended(reconstructed)) <= 0.01


def test_half_one_kind_half_another_is_refused_under_either_caption(drawn):
    assert _accepted(*trials.half_and_half(*drawn, 64)) <= 0.01
    assert _accepted(*trials.two_coloured(*drawn, 64)) <= 0.02


@pytest.mark.parametrize("resolution", [32, 96, 256])
def test_pictures_of_any_size_are_read(drawn, resolution):
    assert _accepted(trials.real(drawn[0][:60], resolution)) >= 0.98


def test_a_reading_does_not_depend_on_the_batch(reconstructed):
    together = read(reconstructed.pictures[:40])
    alone = [read(picture[None])[0] for picture in reconstructed.pictures[:40]]
    for one, other in zip(together, alone, strict=True):
        assert [(s.colour, s.shape, s.size) for s in one.shapes] == [(s.colour, s.shape, s.size) for s in other.shapes]
        for mine, same in zip(one.shapes, other.shapes, strict=True):
            assert (mine.x, mine.y) == pytest.approx((same.x, same.y), abs=1e-4)


def test_a_shape_is_found_where_it_was_put(drawn, real):
    scenes = drawn[0]
    for row, reading in enumerate(read(real.pictures)):
        put = sorted(scenes.centre[row, : scenes.content.count[row]].tolist())
        found = sorted([one.x, one.y] for one in reading.shapes)
        assert torch.allclose(torch.tensor(found), torch.tensor(put), atol=0.7 / 64)


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("tilt", [-6, 0, 6])
@pytest.mark.parametrize("kind", range(len(SHAPES)), ids=SHAPES)
def test_each_kind_is_known_at_each_size_and_slightly_tilted(kind, tilt, size):
    """Turned by resampling, as a sample of a diffusion model may be."""
    radius = {"small": 8.6, "large": 12.5}[size]
    cover = coverage(torch.tensor([kind]), torch.tensor([radius]), torch.tensor([[32.3, 31.6]]), 64)
    angle = math.radians(tilt)
    turn = torch.tensor([[[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0]]])
    grid = torch.nn.functional.affine_grid(turn, [1, 1, 64, 64], align_corners=False)
    cover = torch.nn.functional.grid_sample(cover[None], grid, align_corners=False)[0]
    ground, red = torch.full((3, 64, 64), 150.0), torch.tensor([222.0, 38.0, 42.0])[:, None, None]
    picture = (ground + cover * (red - ground)).round().to(torch.uint8)
    (reading,) = read(picture[None])
    assert [(s.colour, s.shape, s.size) for s in reading.shapes] == [("red", SHAPES[kind], size)]


def test_an_empty_ground_and_a_flood_of_colour_show_no_scene():
    grey = torch.full((1, 3, 64, 64), 128, dtype=torch.uint8)
    assert read(grey)[0] == Reading((), "no shape")
    noise = torch.arange(3 * 64 * 64).mul(7919).remainder(256).view(1, 3, 64, 64).to(torch.uint8)
    assert read(noise)[0].fault is not None


def test_agreement_tells_the_attributes_apart():
    red = Seen("red", "circle", "large", 0.5, 0.25)
    blue = Seen("blue", "square", "small", 0.45, 0.75)
    reading = Reading((blue, red))

    def parts(text):
        found = agreement(reading, parse(text))
        return {name for name, right in vars(found).items() if not right}

    assert parts("a red circle above a small blue square") == set()
    assert parts("a blue square below a large red circle") == set()
    assert parts("a red circle below a blue square") == {"relation"}
    assert parts("a red circle left of a blue square") == {"relation"}
    assert parts("a small red circle above a blue square") == {"size"}
    assert parts("a blue circle above a red square") == {"pairs", "size", "relation"}
    assert parts("a red cross above a blue square") == {"shape", "pairs", "size", "relation"}
    assert parts("a red circle") == {"count", "colour", "shape", "pairs", "size", "relation"}
    unreadable = agreement(Reading((), "no shape"), parse("a red circle"))
    assert not any(vars(unreadable).values())
