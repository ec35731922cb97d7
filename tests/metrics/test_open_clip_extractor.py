"""The vision tower beside open_clip's own ``encode_image`` on open_clip's own transform, with random weights."""

import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from tiny_clip import NAME, tiny_clip

from darkroom.keys import keys
from darkroom.metrics.open_clip_extractor import OpenClipExtractor
from darkroom.metrics.titles import title

PICTURES = keys(seed=0, purpose="pictures", places=range(3)).integers(256, (3, 40, 61)).to(torch.uint8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("open_clip"))


def test_features_are_open_clips_own(whole):
    model, transform, path = whole
    own = OpenClipExtractor(name="x", model=NAME, weights=str(path), tag=None)
    images = [Image.fromarray(np.ascontiguousarray(each.permute(1, 2, 0).numpy())) for each in PICTURES]
    with torch.no_grad():
        expected = model.encode_image(torch.stack([transform(each) for each in images]))
    features = own(torch.stack([own.prepare(each) for each in PICTURES]))
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)
    assert json.loads(json.dumps(own.protocol)) == own.protocol  # a file's record is held against it
    assert (own.protocol["size"], own.protocol["resize_mode"]) == ([32, 32], "shortest")


def test_the_tag_decides_activation_and_preparation(whole, monkeypatch):
    squash = {"quick_gelu": False, "resize_mode": "squash", "mean": (0.5, 0.5, 0.5)}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda *_: squash)
    own = OpenClipExtractor(name="x", model=NAME, weights=str(whole[2]), tag="other")
    assert isinstance(own._network.transformer.resblocks[0].mlp.gelu, torch.nn.GELU)
    assert (own.protocol["resize_mode"], own.protocol["mean"], own.protocol["tag"]) == ("squash", [0.5] * 3, "other")


def test_cmmd_is_by_openais_large_model_alone(whole, monkeypatch):
    large = open_clip.get_model_config(NAME)
    monkeypatch.setattr(open_clip, "get_model_config", lambda _: large)
    large_one = OpenClipExtractor(name="large", model="ViT-L-14-336", weights=str(whole[2]), tag="openai")
    tiny = OpenClipExtractor(name="tiny", model=NAME, weights=str(whole[2]), tag=None)
    assert [title("cmmd", each) for each in (large_one, tiny)] == ["cmmd", "cmmd_tiny"]
    assert title("fd", large_one) == "fd_large"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "ViT-L-15"}, "extractor.model=ViT-L-15: open_clip has none"),
        ({"model": "ViT-L-14-336", "tag": "laion"}, "extractor.tag=laion: .* of ViT-L-14-336; it has openai"),
    ],
)
def test_what_open_clip_does_not_know_is_named(whole, change, words):
    with pytest.raises(ValueError, match=words):
        OpenClipExtractor(**{"name": "x", "model": NAME, "weights": str(whole[2]), "tag": None} | change)
