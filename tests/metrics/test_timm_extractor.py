"""Networks of timm beside timm itself, with random weights."""

import json

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config

from darkroom.keys import keys
from darkroom.metrics.timm_extractor import TimmExtractor

PICTURES = keys(seed=0, purpose="pictures", places=range(3)).integers(256, (3, 180, 200)).to(torch.uint8)
VIT, CONVOLUTIONS = "test_vit.r160_in1k", "test_resnet.r160_in1k"


def saved(model, path):
    """Random weights of the model with its classifier, as files have it."""
    torch.save(timm.create_model(model, pretrained=False).state_dict(), path)
    return str(path)


@pytest.mark.parametrize(("model", "size"), [(VIT, None), (VIT, 96), (CONVOLUTIONS, None), (CONVOLUTIONS, 96)])
def test_features_are_timms_own(tmp_path, model, size):
    weights = saved(model, tmp_path / "weights.pth")
    own = TimmExtractor(name="x", model=model, weights=weights, size=size)
    theirs = timm.create_model(model, checkpoint_path=weights, num_classes=1000).eval()
    theirs.reset_classifier(0)
    if size is not None and model == VIT:
        theirs.set_input_size((size, size))  # resamples the positions themselves
    config = resolve_model_data_config(theirs) | {"input_size": (3, size or 160, size or 160)}
    transform = create_transform(**config)
    images = [Image.fromarray(np.ascontiguousarray(each.permute(1, 2, 0).numpy())) for each in PICTURES]
    with torch.no_grad():
        expected = theirs(torch.stack([transform(each) for each in images]))
    features = own(torch.stack([own.prepare(each) for each in PICTURES]))
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)
    assert own.protocol["input_size"] == [3, size or 160, size or 160]
    assert json.loads(json.dumps(own.protocol)) == own.protocol  # a file's record is held against it


def test_what_timm_does_not_have_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"extractor\.model=vit_9: timm has none"):
        TimmExtractor(name="x", model="vit_9", weights="none")
    with pytest.raises(ValueError, match=r"extractor\.size=96: mixer_s32_224 takes pictures of its own"):
        TimmExtractor(name="x", model="mixer_s32_224", weights="none", size=96)
    with pytest.raises(ValueError, match=r"extractor\.weights=.*weights\.pth: has no "):
        TimmExtractor(name="x", model=VIT, weights=saved(CONVOLUTIONS, tmp_path / "weights.pth"))
