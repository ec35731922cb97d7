from dataclasses import replace

import pytest
import torch
from jaxtyping import TypeCheckError

from darkroom.contracts import (
    Batch,
    Condition,
    LatentBatch,
    LatentSpec,
    Posterior,
    Prompts,
    to_float,
    to_uint8,
)
from darkroom.keys import keys


def test_every_level_of_a_picture_comes_back_exactly():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(to_uint8(to_float(levels)), levels)
    assert (to_float(levels).min(), to_float(levels).max()) == (-1.0, 1.0)


def test_levels_are_the_nearest_ones_and_nothing_leaves_the_range():
    steps = torch.linspace(-1.2, 1.2, 2400).repeat(3).view(1, 3, 40, 60)
    exact = (steps.double() + 1) * 127.5
    made = to_uint8(steps).double()
    assert (made - exact.clamp(0, 255)).abs().max() <= 0.5 + 1e-4
    assert (made.min(), made.max()) == (0, 255)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_pictures_of_half_precision_are_rounded_in_float32(dtype):
    picture = torch.linspace(-1, 1, 3 * 64).view(1, 3, 8, 8).to(dtype)
    assert torch.equal(to_uint8(picture), to_uint8(picture.float()))


def test_converting_leaves_the_argument_alone():
    levels, picture = torch.full((1, 3, 2, 2), 7, dtype=torch.uint8), torch.full((1, 3, 2, 2), 0.3)
    to_float(levels), to_uint8(picture)
    assert levels.unique().tolist() == [7] and torch.equal(picture, torch.full((1, 3, 2, 2), 0.3))


def test_a_posterior_draws_by_key_with_its_mean_and_deviation():
    mean, std = torch.full((5000, 2, 1, 1), 3.0), torch.tensor([0.0, 0.5]).view(1, 2, 1, 1).expand(5000, 2, 1, 1)
    own = keys(seed=0, purpose="posterior", places=range(5000))
    drawn = Posterior(mean, std).sample(own)
    assert torch.equal(drawn[:, 0], mean[:, 0])  # std 0 is a point
    assert drawn[:, 1].mean() == pytest.approx(3, abs=0.03) and drawn[:, 1].std() == pytest.approx(0.5, abs=0.02)
    assert torch.equal(Posterior(mean[10:20], std[10:20]).sample(own[10:20]), drawn[10:20])


def test_the_shape_of_a_latent_follows_from_the_picture():
    spec = LatentSpec(channels=4, factor=8, hash="")
    assert spec.shape(64) == (4, 8, 8)
    with pytest.raises(ValueError, match="resolution=60 is not a multiple of the first stage's factor 8"):
        spec.shape(60)


def numbers(n=2):
    return {name: torch.arange(n) for name in ("index", "epoch", "place")}


def test_a_batch_moves_with_everything_that_is_computed_with():
    prompts = Prompts(label=torch.tensor([1, 2]), caption=("a", "b"))
    pictures = Batch(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), **numbers(), step=5, prompts=prompts)
    latents = LatentBatch(
        Posterior(torch.zeros(2, 4, 1, 1), torch.ones(2, 4, 1, 1)), **numbers(), step=5, prompts=prompts
    )
    condition = Condition(tokens=torch.zeros(2, 3, 4), mask=torch.ones(2, 3, dtype=torch.bool))
    moved = [thing.to("meta") for thing in (pictures, latents, condition)]
    assert moved[0].image.is_meta and moved[0].prompts.label.is_meta
    assert moved[1].posterior.mean.is_meta and moved[1].posterior.std.is_meta
    assert moved[2].tokens.is_meta and moved[2].mask.is_meta and moved[2].vector is None
    assert (moved[0].step, moved[0].prompts.caption, len(moved[1])) == (5, ("a", "b"), 2)
    assert not pictures.image.is_meta  # a copy
    assert torch.equal(replace(pictures, step=6).picture, -torch.ones(2, 3, 4, 4))


def test_what_keys_are_made_of_stays_on_the_host():
    prompts = Prompts()
    pictures = Batch(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), **numbers(), step=5, prompts=prompts)
    latents = LatentBatch(
        Posterior(torch.zeros(2, 4, 1, 1), torch.ones(2, 4, 1, 1)), **numbers(), step=5, prompts=prompts
    )
    for moved in (pictures.to("meta"), latents.to("meta")):
        assert [moved.index.tolist(), moved.epoch.tolist(), moved.place.tolist()] == [[0, 1]] * 3


def test_prompts_count_their_labels_or_captions():
    assert [len(p) for p in (Prompts(), Prompts(caption=("a",)), Prompts(label=torch.arange(3)))] == [0, 1, 3]


def test_shapes_in_signatures_are_checked_while_tests_run():
    with pytest.raises(TypeCheckError, match="to_float"):
        to_float(torch.zeros(2, 4, 8, 8, dtype=torch.uint8))  # four channels are no picture
    with pytest.raises(TypeCheckError):
        Posterior(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 4))
