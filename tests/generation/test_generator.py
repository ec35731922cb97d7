"""Pictures by key: what a picture depends on, and what it does not."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from darkroom.conditioning.class_label import ClassLabel
from darkroom.conditioning.null import NoCondition
from darkroom.contracts import Condition, ConditionSpec, LatentSpec, Posterior, Prompts, to_uint8
from darkroom.diffusion.guidance import ClassifierFree
from darkroom.diffusion.parameterization import Velocity
from darkroom.diffusion.plan import SamplingPlan
from darkroom.diffusion.process import Process
from darkroom.diffusion.samplers.ancestral import sample_ancestral
from darkroom.diffusion.samplers.euler import sample_euler
from darkroom.diffusion.schedule import Flow
from darkroom.diffusion.time_grid import uniform
from darkroom.diffusion.time_law import Uniform
from darkroom.diffusion.weighting import Constant
from darkroom.generation.denoising import Denoising
from darkroom.generation.generator import Generator, select
from darkroom.keys import Keys, keys
from darkroom.networks.dit import DiT


class Enlarged(nn.Module):
    """A first stage whose pictures are its latents, four times as large."""

    spec = LatentSpec(channels=3, factor=4, hash="enlarged")

    def encode(self, picture):
        return Posterior(F.avg_pool2d(picture, 4), torch.zeros(()))

    def decode(self, latent):
        return F.interpolate(latent / 3, scale_factor=4)


class Letters(nn.Module):
    """A caption as how often it has each letter, through a layer; the null condition is the empty caption."""

    spec = ConditionSpec(vector=8)

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(26, 8)

    def forward(self, prompts, drop=None):
        counts = torch.tensor([[text.count(chr(97 + i)) for i in range(26)] for text in prompts.caption]).float()
        if drop is not None:
            counts = torch.where(drop[:, None], 0.0, counts)
        return Condition(vector=self.layer(counts))

    def unknown_words(self, captions):  # noqa: ARG002
        return []


class Counted(DiT):
    """Remembers how many samples each call had."""

    def forward(self, x, time, condition):
        self.calls = [*getattr(self, "calls", []), len(x)]
        return super().forward(x, time, condition)


@torch.no_grad()
def generator(conditioner=None, *, scale=3.0, sampler=sample_euler, interval=(0.0, 1.0), **settings):
    def network(channels, condition):
        return Counted(channels, condition, width=16, depth=2, heads=2, patch=2)

    model = Denoising(network=network, conditioner=conditioner or ClassLabel(5, 8), first_stage=Enlarged())
    for name, weight in model.named_parameters():
        weight.copy_(name.endswith("gain") + 0.2 * keys(seed=1, purpose=name, places=[0]).normal(weight.shape)[0])
    process = Process(Flow(), Velocity(), Uniform(), Constant())
    guidance = None if scale is None else ClassifierFree(scale, interval)
    plan = SamplingPlan(sampler, uniform, 4)
    return Generator(model, process, Enlarged(), plan, guidance, resolution=16, **settings)


def labels(n=10):
    return Prompts(label=torch.arange(n) % 5)


def starts(n=10, seed=0):
    return keys(seed=seed, purpose="sample", places=range(n))


def drawn(made, prompts, start, batch_size=4, **settings):
    return torch.cat(list(made(prompts, start, batch_size=batch_size, **settings)))


@pytest.mark.parametrize("sampler", [sample_euler, sample_ancestral])
def test_picture_k_does_not_depend_on_the_batch_beyond_rounding(sampler):
    made = generator(sampler=sampler)
    whole = drawn(made, labels(), starts(), batch_size=10).int()
    for batch_size in (1, 3, 4):
        assert (drawn(made, labels(), starts(), batch_size).int() - whole).abs().max() <= 1
    assert (whole[5:] - whole[:5]).abs().float().mean() > 5  # the same labels, other keys


def test_latents_of_equally_large_batches_are_equal_bit_for_bit():
    """Whatever else is drawn beside them: a run of 8 begins with the run of 4."""
    made = generator()
    beside = [made.latents(select(labels(), rows), starts()[rows]) for rows in (slice(0, 4), slice(4, 8))]
    moved = made.latents(select(labels(), slice(2, 6)), starts()[2:6])
    assert torch.equal(moved, torch.cat(beside)[2:6])


def test_pictures_come_in_order_a_batch_at_a_time():
    made = generator()
    batches = list(made(labels(), starts(), batch_size=4))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert batches[0].dtype == torch.uint8 and batches[0].shape == (4, 3, 16, 16)
    expected = to_uint8(Enlarged().decode(made.latents(select(labels(12), slice(8, 12)), starts(12)[8:])))
    assert torch.equal(batches[2], expected[:2])


@pytest.mark.parametrize("bf16", [False, True])
def test_a_batch_that_is_not_full_changes_no_bit(bf16):
    made = generator(bf16=bf16)
    whole = drawn(made, labels(12), starts(12))
    for n in (5, 10, 11):
        assert torch.equal(drawn(made, labels(n), starts(n)), whole[:n])
    assert set(made.model.network.calls) == {4}
    drawn(made, labels(3), starts(3))
    assert made.model.network.calls[-1] == 3  # a few pictures are not drawn as many


def test_the_same_key_and_prompt_give_the_same_picture_and_another_of_either_another():
    made = generator()
    first = made.latents(labels(2), starts(2))
    assert torch.equal(first, made.latents(labels(2), starts(2)))
    assert not torch.allclose(first, made.latents(labels(2), starts(2, seed=1)), atol=0.1)
    assert not torch.allclose(first, made.latents(Prompts(label=torch.tensor([3, 4])), starts(2)), atol=0.1)


@pytest.mark.parametrize("scale", [1.0, None])
def test_without_guidance_the_unconditional_pass_is_left_out(scale):
    made = generator(scale=scale)
    drawn(made, labels(4), starts(4))
    assert made.model.network.calls == [4] * 4


def test_the_null_condition_is_encoded_only_where_guidance_asks_for_it():
    class Asked(ClassLabel):
        def forward(self, prompts, drop=None):
            self.calls = [*getattr(self, "calls", []), drop is not None]
            return super().forward(prompts, drop)

    for scale, calls in ((1.0, [False]), (3.0, [False, True])):
        made = generator(Asked(5, 8), scale=scale)
        drawn(made, labels(4), starts(4))
        assert made.model.conditioner.calls == calls


def test_guidance_costs_a_second_pass_where_it_is_on():
    made = generator()
    drawn(made, labels(4), starts(4))
    assert len(made.model.network.calls) == 8
    half = generator(interval=(0.0, 0.5))
    drawn(half, labels(4), starts(4))
    assert len(half.model.network.calls) == 6  # times 1, .75, .5, .25


def test_guidance_is_the_line_through_both_denoisers():
    """One Euler step from t = 1, where the latent is x0_hat itself."""
    followed, guided, kept_from = (
        replace(generator(scale=scale), plan=SamplingPlan(sample_euler, uniform, 1)) for scale in (1.0, 3.0, 0.0)
    )
    a, b, c = (made.latents(labels(), starts()) for made in (followed, guided, kept_from))
    torch.testing.assert_close(b, c + 3 * (a - c), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(a, c, atol=0.1)


def test_a_negative_prompt_takes_the_place_of_no_condition():
    made, prompts = generator(Letters()), Prompts(caption=("a cat",) * 4)
    plain = made.latents(prompts, starts(4))
    assert torch.equal(made.latents(prompts, starts(4), negative=""), plain)  # here the null is the empty caption
    assert not torch.allclose(made.latents(prompts, starts(4), negative="a dog"), plain, atol=0.05)
    same = made.latents(prompts, starts(4), negative="a cat")
    torch.testing.assert_close(same, generator(Letters(), scale=1.0).latents(prompts, starts(4)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("conditioner", [ClassLabel(3, 8), NoCondition()])
def test_a_negative_prompt_where_no_text_steers_is_refused_though_the_data_has_captions(conditioner):
    prompts = replace(labels(2), caption=("a cat",) * 2)
    with pytest.raises(ValueError, match="negative_prompt=a dog: the run has no text condition"):
        generator(conditioner).latents(prompts, starts(2), negative="a dog")


def test_a_model_without_conditions_draws_as_many_pictures_as_there_are_keys():
    made = generator(NoCondition())
    assert drawn(made, Prompts(), starts(6)).shape == (6, 3, 16, 16)
    assert made.model.network.calls == [4] * 8  # nothing to guide


def test_bf16_pictures_stay_near_the_float32_ones_and_their_sampler_in_float32():
    exact, rounded = generator(), generator(bf16=True)
    latent = rounded.latents(labels(), starts())
    assert latent.dtype == torch.float32
    error = latent - exact.latents(labels(), starts())
    assert 0 < error.square().mean().sqrt() < 0.05 * latent.std()


def stay(_denoiser, noise, _schedule, _times, keys=None):
    """A sampler that hands back what it was given to start from."""
    assert isinstance(keys, Keys) and len(keys) == len(noise)
    return noise


def test_the_start_is_standard_noise_and_a_function_of_the_key_alone():
    made = replace(generator(), plan=SamplingPlan(stay, uniform, 4))
    many = made.latents(labels(500), starts(500))
    assert many.mean().item() == pytest.approx(0, abs=0.02) and many.std().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(made.latents(labels(1), starts(500)[7:8]), many[7:8])
