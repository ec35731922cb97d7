"""Pictures and captions to try a judge on: such as it must accept, and such as it must refuse."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from darkroom.data.shapes.captions import Requirement
from darkroom.data.shapes.filters import blur
from darkroom.data.shapes.render import render
from darkroom.data.shapes.scenes import Scenes, draw_content, draw_scenes
from darkroom.data.shapes.vocabulary import COLOURS, RELATIONS, SHAPES, SIZES, Words, palette
from darkroom.keys import Keys, keys


@dataclass(frozen=True)
class Trial:
    """Pictures, each with a caption's requirement."""

    pictures: UInt8[Tensor, "n 3 side side"]
    requirements: tuple[Requirement, ...]


def draw(n: int, *, max_shapes: int, seed: int) -> tuple[Scenes, Keys]:
    """Scenes of all combinations, kept out or not, and their keys."""
    own = keys(seed=seed, purpose="shapes/trials", places=range(n))
    content = draw_content(own, max_shapes, lambda content: np.ones(len(content), dtype=bool))
    return draw_scenes(content, own), own


def real(scenes: Scenes, resolution: int) -> Trial:
    """As a judge must accept them."""
    return Trial(render(scenes, resolution), _requirements(scenes))


def reconstructed(pictures: UInt8[Tensor, "n 3 side side"], own: Keys) -> UInt8[Tensor, "n 3 side side"]:
    """About what a small autoencoder (30 to 32 dB) makes of pictures of 64: blur of 0.8 to 1.3 pixels, ringing, a shift
    of colour and smooth noise.
    """
    rgb = pictures.float() / 255
    softness = own.fold("softness").integers(6)
    out = torch.empty_like(rgb)
    for step in range(6):
        rows = softness == step
        soft = blur(rgb[rows], 0.8 + 0.1 * step)
        out[rows] = soft + 0.35 * (soft - blur(soft, 1.6))
    out += 0.05 * (own.fold("shift").uniform((3, 1, 1)) - 0.5)
    noise = 0.02 * own.fold("noise").normal((3, 10, 10))
    out += interpolate(noise, size=pictures.shape[-2:], mode="bicubic")
    return out.clamp_(0, 1).mul_(255).round_().to(torch.uint8)


def exchanged(requirements: Sequence[Requirement], own: Keys) -> tuple[Requirement, ...]:
    """Each with one word of colour, shape, size or relation exchanged for another of its kind."""
    u = own.fold("exchange").uniform((2,), dtype=torch.float64).tolist()
    return tuple(_exchange(requirement, *row) for requirement, row in zip(requirements, u, strict=True))


def _exchange(requirement: Requirement, which: float, by: float) -> Requirement:
    shapes, relations = requirement.shapes, requirement.relations
    places = [(row, kind) for row in range(len(shapes)) for kind in ("colour", "shape")]
    places += [(row, "size") for row, one in enumerate(shapes) if one.size]
    places += [(row, "relation") for row in range(len(relations))]
    row, kind = places[int(which * len(places))]
    if kind == "relation":
        return replace(requirement, relations=_put(relations, row, _other(RELATIONS, relations[row], by)))
    words = {"colour": COLOURS, "shape": SHAPES, "size": SIZES}[kind]
    word = _other(words, getattr(shapes[row], kind), by)
    return replace(requirement, shapes=_put(shapes, row, replace(shapes[row], **{kind: word})))


def _put(row: tuple, place: int, value: object) -> tuple:
    return (*row[:place], value, *row[place + 1 :])


def _other(words: Words, word: str, by: float) -> str:
    left = [other for other in words if other != word]
    return left[int(by * len(left))]


def miscounted(scenes: Scenes, resolution: int) -> tuple[Trial, Trial]:
    """One shape too many, and one too few, for the caption; of the scenes with two shapes or more."""
    more = scenes[scenes.content.count > 1]
    fewer = replace(more, content=replace(more.content, count=more.content.count - 1))
    return (
        Trial(render(more, resolution), _requirements(fewer)),
        Trial(render(fewer, resolution), _requirements(more)),
    )


def blended(trial: Trial) -> tuple[Trial, Trial]:
    """Even blends of each picture with the next, once under the caption of either."""
    first, second = trial.pictures, trial.pictures.roll(-1, dims=0)
    pictures = ((first.int() + second.int()) // 2).to(torch.uint8)
    following = (*trial.requirements[1:], *trial.requirements[:1])
    return Trial(pictures, trial.requirements), Trial(pictures, following)


def half_and_half(scenes: Scenes, own: Keys, resolution: int) -> tuple[Trial, Trial]:
    """One shape cut upright or level through its middle, with another kind of shape beyond; under either caption."""
    other = scenes.content.shape.copy()
    other[:, 0] = _another(other[:, 0], len(SHAPES), own.fold("kind"))
    return _cut(scenes, replace(scenes, content=replace(scenes.content, shape=other)), own, resolution)


def two_coloured(scenes: Scenes, own: Keys, resolution: int) -> tuple[Trial, Trial]:
    """One shape cut the same way, with another colour beyond; under either caption."""
    colour, rgb = scenes.content.colour.copy(), scenes.rgb.copy()
    colour[:, 0] = _another(colour[:, 0], len(COLOURS), own.fold("colour"))
    rgb[:, 0] = palette()[colour[:, 0]]
    changed = replace(scenes, content=replace(scenes.content, colour=colour), rgb=rgb)
    return _cut(scenes, changed, own, resolution)


def _another(numbers: Int64[np.ndarray, " n"], count: int, own: Keys) -> Int64[np.ndarray, " n"]:
    """Any of 0..count-1 but the number itself."""
    return (numbers + 1 + own.integers(count - 1).numpy()) % count


def _cut(one: Scenes, other: Scenes, own: Keys, resolution: int) -> tuple[Trial, Trial]:
    line = (torch.arange(resolution) + 0.5) / resolution
    x, y = torch.from_numpy(one.centre[:, 0]).float()[..., None, None].unbind(1)
    upright = own.fold("cut").bernoulli(0.5)[:, None, None]
    beyond = torch.where(upright, line > x, line[:, None] > y)[:, None]
    pictures = torch.where(beyond, render(other, resolution), render(one, resolution))
    return Trial(pictures, _requirements(one)), Trial(pictures, _requirements(other))


def _requirements(scenes: Scenes) -> tuple[Requirement, ...]:
    return tuple(scenes.content.requirement(row) for row in range(len(scenes)))
