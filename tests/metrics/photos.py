"""Pictures and extractors for the set metrics: real ones, and ones made here, which are there always.

The ways to spoil a picture are those of the calibration of the real data.
"""

import io
import os
import tarfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from safetensors.torch import save_file

from darkroom.keys import keys
from darkroom.metrics.extractor import Extractor
from darkroom.networks.pretrained.trunk import Trunk

REAL = os.environ.get("DARKROOM_REAL_DATA")
needs_real_data = pytest.mark.skipif(REAL is None, reason="DARKROOM_REAL_DATA is not set")
FILES = {"mobilenet_v2": "mobilenet_v2_trunk.safetensors", "squeezenet1_1": "squeezenet1_1.safetensors"}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def grocery(split, every=1):
    """Photos in the order of their paths, and the number of each one's class."""
    paths = sorted(Path(REAL, "grocery", split).rglob("*.jpg"))[::every]
    classes = sorted(path.name for path in Path(REAL, "grocery", "train").iterdir())
    return [opened(path) for path in paths], np.array([classes.index(path.parent.name) for path in paths])


def cifar10(split, n):
    """The first ``n`` photos in the order of the shards, and the number of each one's class."""
    photos, labels = [], []
    for shard in sorted(Path(REAL, "cifar10").glob(f"{split}-*.tar.gz")):
        if len(photos) >= n:
            break
        with tarfile.open(shard) as archive:
            files = {member.name: archive.extractfile(member).read() for member in archive}
        photos += [opened(io.BytesIO(data)) for name, data in files.items() if name.endswith(".jpg")]
        labels += [int(data) for name, data in files.items() if name.endswith(".cls")]
    return photos[:n], np.array(labels[:n])


def opened(file):
    with Image.open(file) as photo:
        return photo.convert("RGB")


def made(n, seed):
    """Fields of few colours with soft and with hard edges, 64 x 64."""
    colours = keys(seed=seed, purpose="made", places=range(n)).integers(256, (2, 4, 4, 3)).byte().numpy()
    large, how = (64, 64), Image.Resampling
    fields = ((Image.fromarray(soft), Image.fromarray(hard)) for soft, hard in colours)
    return [Image.blend(soft.resize(large, how.BICUBIC), hard.resize(large, how.NEAREST), 0.5) for soft, hard in fields]


def blurred(pictures, radius):
    return [picture.filter(ImageFilter.GaussianBlur(radius)) for picture in pictures]


def noisy(pictures, sigma=25):
    random = np.random.default_rng(0)  # of the calibration's definition
    with_noise = (np.asarray(each) + random.normal(0, sigma, np.asarray(each).shape) for each in pictures)
    return [Image.fromarray(np.clip(np.rint(each), 0, 255).astype(np.uint8)) for each in with_noise]


def squeezed(pictures):
    return [each.resize((round(0.6 * each.width), each.height), Image.Resampling.BICUBIC) for each in pictures]


def pretrained(model, size):
    return extractor(model, Path(REAL, "weights", FILES[model]), size)


def untrained(model, size, folder):
    """With weights as they are drawn; its features are no less features."""
    torch.manual_seed(0)  # torchvision draws them from the global generator
    save_file(Trunk(model).state_dict(), folder / f"{model}.safetensors")
    return extractor(model, folder / f"{model}.safetensors", size)


def extractor(model, weights, size):
    return Extractor(
        name=model, network=partial(Trunk, model=model), weights=str(weights), size=size, mean=MEAN, std=STD
    )


def features(extractor, pictures):
    """[n, d] of Pillow pictures of any sizes."""
    prepared = [extractor.prepare(torch.from_numpy(np.array(each)).permute(2, 0, 1)) for each in pictures]
    return torch.cat([extractor(torch.stack(prepared[start : start + 256])) for start in range(0, len(prepared), 256)])
