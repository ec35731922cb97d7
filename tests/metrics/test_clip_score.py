"""The CLIP score beside open_clip's own towers, with random weights; and by a small CLIP that learnt colours."""

import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_clip import NAME, tiny_clip

from darkroom.keys import keys
from darkroom.metrics.clip_score import ClipScore

PICTURES = keys(seed=0, purpose="pictures", places=range(5)).integers(256, (3, 40, 61)).to(torch.uint8)
CAPTIONS = ["a cat, sitting", "고양이", "a cat, sitting", "", "a very long caption " * 20]
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 50, 220), "yellow": (230, 220, 40)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("open_clip"))


def own(path):
    return ClipScore(name="tiny", model=NAME, tag=None, weights=str(path))


def test_scores_are_those_of_open_clips_towers(whole):
    model, transform, path = whole
    images = torch.stack([transform(Image.fromarray(np.array(each.permute(1, 2, 0)))) for each in PICTURES])
    tokens = open_clip.SimpleTokenizer(context_length=16)(CAPTIONS)
    with torch.no_grad():
        seen, read = model.encode_image(images).double(), model.encode_text(tokens).double()
    expected = 100 * torch.cosine_similarity(seen, read, dim=1).clamp(min=0)
    score = own(path)
    expected[CAPTIONS.index("")] = torch.nan  # nothing was asked for
    torch.testing.assert_close(score([PICTURES], CAPTIONS), expected, rtol=1e-5, atol=1e-5, equal_nan=True)
    assert (expected == 0).any()  # clamped, each for itself
    assert (expected > 0).any()
    assert score.name == "clip_score_tiny"
    assert score.truncated(CAPTIONS) == CAPTIONS[-1:]
    assert json.loads(json.dumps(score.protocol)) == score.protocol  # a file's record is held against it


def test_a_score_does_not_depend_on_what_comes_beside_it(whole):
    score = own(whole[2])
    together = score([PICTURES], CAPTIONS)
    alone = torch.cat([score([PICTURES[i : i + 1]], CAPTIONS[i : i + 1]) for i in range(5)])
    for each in (score(PICTURES.split(2), CAPTIONS), alone):
        torch.testing.assert_close(each, together, rtol=0, atol=0, equal_nan=True)


def test_the_layout_with_a_text_tower_of_its_own_is_read_too(whole, tmp_path):
    _, _, path = whole
    text = ("transformer.", "token_embedding.", "positional_embedding", "ln_final.", "text_projection")
    state = {f"text.{k}" if k.startswith(text) else k: v for k, v in load_file(path).items()}
    save_file(state, tmp_path / "custom.safetensors")
    custom, plain = (own(each)([PICTURES], CAPTIONS) for each in (tmp_path / "custom.safetensors", path))
    torch.testing.assert_close(custom, plain, rtol=0, atol=0, equal_nan=True)


def test_pictures_without_a_caption_each_are_refused(whole):
    with pytest.raises(ValueError, match="5 pictures and 4 captions"):
        own(whole[2])([PICTURES], CAPTIONS[:4])


def test_the_tag_decides_activation_and_preparation_of_a_file_too(whole, monkeypatch):
    plain = own(whole[2])([PICTURES], CAPTIONS)
    known = {"quick_gelu": False, "mean": (0.5, 0.5, 0.5)}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda *_: known)
    tagged = ClipScore(name="tiny", model=NAME, tag="other", weights=str(whole[2]))
    assert (tagged.protocol["tag"], tagged.protocol["mean"]) == ("other", [0.5] * 3)
    assert not torch.equal(tagged([PICTURES], CAPTIONS)[:3], plain[:3])


@pytest.mark.parametrize(
    ("model", "tag", "weights", "words"),
    [
        (NAME, None, "none.safetensors", r"clip_score\.weights=none\.safetensors: there is no such file"),
        (NAME, "openai", "{tiny}", r"clip_score\.tag=openai: open_clip has no such weights of darkroom-tiny-clip"),
        ("no-such-model", "openai", "{tiny}", r"clip_score\.model=no-such-model is not one of open_clip's"),
        ("ViT-B-32", "openai", "{tiny}", r"clip_score\.weights=.*: has (no|another shape of) .*another network"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_a_line(whole, model, tag, weights, words):
    with pytest.raises((ValueError, FileNotFoundError), match=words) as told:
        ClipScore(name="x", model=model, tag=tag, weights=weights.format(tiny=whole[2]))
    assert "\n" not in str(told.value)


def test_right_captions_score_higher_than_wrong_ones(whole, tmp_path):
    """A CLIP that was trained for a moment to tell colours."""
    model, transform, _ = whole
    learning = open_clip.create_model(NAME)
    learning.load_state_dict(model.state_dict())
    names = list(COLOURS)
    pixels = torch.tensor([COLOURS[name] for name in names], dtype=torch.uint8)[:, :, None, None].expand(-1, 3, 48, 48)
    images = torch.stack([transform(Image.fromarray(np.array(each.permute(1, 2, 0)))) for each in pixels])
    captions = [f"a {name} picture" for name in names]
    tokens = open_clip.SimpleTokenizer(context_length=16)(captions)
    optimizer = torch.optim.Adam(learning.parameters(), lr=1e-3)
    for _ in range(40):
        seen, read, scale = learning(images, tokens)[:3]
        torch.nn.functional.cross_entropy(scale * seen @ read.T, torch.arange(4)).backward()
        optimizer.step()
        optimizer.zero_grad()
    save_file(
        {name: each.contiguous() for name, each in learning.state_dict().items()}, tmp_path / "learnt.safetensors"
    )
    score = own(tmp_path / "learnt.safetensors")
    right, wrong = score([pixels], captions), score([pixels], captions[1:] + captions[:1])
    assert (right > wrong).all()
    assert right.mean() > wrong.mean() + 5
