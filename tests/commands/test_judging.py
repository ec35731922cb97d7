"""Samples held against their prompts: which shares are reported, and of which samples."""

from collections.abc import Iterator

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from darkroom.commands.judging import elsewhere, judged_reality, judged_samples
from darkroom.contracts import Prompts
from darkroom.data.shapes.source import Shapes
from darkroom.generation.generator import Generator
from darkroom.keys import Keys

N = 40


class Knowing(Generator):
    """Draws the real pictures of the captions that it knows, and nothing under others."""

    def __init__(self, known: dict[str, Tensor]):
        object.__setattr__(self, "known", known)

    def __call__(self, prompts: Prompts, keys: Keys, *, batch_size: int, **_: object) -> Iterator[Tensor]:  # noqa: ARG002
        nothing = torch.zeros(3, 64, 64, dtype=torch.uint8)
        yield from torch.stack([self.known.get(text, nothing) for text in prompts.caption]).split(batch_size)


@pytest.mark.parametrize(("known", "other"), [("pair", "triple"), ("triple", "pair")])
def test_what_training_never_showed_is_reported_by_its_kind(known, other, tmp_path):
    source = Shapes(train_size=1, validation_size=1)
    challenges = [source.challenge(kind, N) for kind in ("seen", "held_out")]
    real = {text: picture for each in challenges for text, picture in zip(each.captions, each.pictures, strict=True)}
    generator = Knowing({text: picture for text, picture in real.items() if source.kept_out(text) in (None, known)})

    config = OmegaConf.create({"n": N, "seed": 0, "batch_size": 16})
    found = judged_samples(source, generator, config, tmp_path / "sheet.png", {"num_steps": 3})
    assert found["samples_per_second"]["protocol"]["num_steps"] == 3
    again = OmegaConf.create({"n": N, "seed": 1, "batch_size": 16})  # other scenes, of one law
    reseeded = judged_samples(source, generator, again, tmp_path / "again.png", {"num_steps": 5})["prompt_accuracy"]
    assert (reseeded["seed"], reseeded["protocol_id"]) == (1, found["prompt_accuracy"]["protocol_id"])
    kinds = [source.kept_out(text) for text in source.prompts("held_out", N)]
    values = {name: number["value"] for name, number in found.items()}
    assert values["prompt_accuracy"] == 1
    assert values["prompt_accuracy_held_out"] == kinds.count(known) / N
    assert values[f"prompt_accuracy_held_out_new_{known}"] == 1
    assert values[f"prompt_accuracy_held_out_new_{other}"] == 0
    assert 0 < found[f"prompt_accuracy_held_out_new_{other}"]["interval"][1] < 0.5
    assert not [name for name in found if name.startswith("prompt_accuracy_new")]
    assert found["prompt_accuracy_colour"]["protocol"]["metric"] == {"name": "agreement_colour", "of": "seen"}
    assert len({number["protocol_id"] for number in found.values()}) == len(found)


def test_chance_is_far_from_the_ceiling_and_not_nothing():
    source = Shapes(train_size=1, validation_size=1)
    config = OmegaConf.create({"n": 200, "seed": 0, "batch_size": 64})
    found = judged_reality(source, lambda picture: picture // 2, config)
    values = {name.removeprefix("prompt_accuracy_"): number["value"] for name, number in found.items()}
    assert values["real"] == 1
    assert values["reconstructed"] < 1
    assert 0 < values["chance"] < 0.1
    assert found["prompt_accuracy_chance"]["protocol"]["metric"]["of"] == "chance"


def test_elsewhere_is_another_place_for_each_and_every_caption_is_there_once():
    captions = [str(number) for number in range(50)]
    others = elsewhere(captions, seed=3)
    assert sorted(others) == sorted(captions)
    assert all(a != b for a, b in zip(captions, others, strict=True))
    assert others == elsewhere(captions, seed=3) != elsewhere(captions, seed=4)
