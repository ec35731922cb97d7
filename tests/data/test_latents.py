"""The latent cache gives what the encoder would, picture by picture and visit by visit."""

import os
import pickle
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from darkroom.autoencoding.bottleneck.gaussian import Gaussian
from darkroom.autoencoding.first_stage import ArtifactFirstStage
from darkroom.autoencoding.model import Autoencoder
from darkroom.contracts import FirstStage, LatentSpec, Posterior, Visit, to_float
from darkroom.data import latents
from darkroom.data.image_folder import ImageFolder
from darkroom.data.latent_datamodule import LatentDataModule
from darkroom.data.latents import LatentDataset, cache_folder, cache_latents
from darkroom.data.split import PictureSplit
from darkroom.keys import keys
from darkroom.networks.autoencoder import Decoder, Encoder

REAL = os.environ.get("DARKROOM_REAL_DATA", "")
real = pytest.mark.skipif(not REAL, reason="DARKROOM_REAL_DATA is not set")
CPU = torch.device("cpu")


class Means(nn.Module):
    """A first stage that can be computed by hand: the means of squares of 4 x 4; counts the pictures that it sees."""

    def __init__(self, name="means"):
        super().__init__()
        self.spec = LatentSpec(channels=3, factor=4, hash=name)
        self.seen = 0

    def encode(self, picture):
        self.seen += len(picture)
        mean = F.avg_pool2d(picture, 4)
        return Posterior(mean, 0.1 + mean.abs() / 10)

    def decode(self, latent):
        return F.interpolate(latent, scale_factor=4)


class Source:
    """23 pictures of noise to train, 5 to validate; mirrored or not."""

    resolution, classes, fingerprint = 8, ("a", "b"), "noise"

    def __init__(self, flip_seed=None):
        captions = [f"noise {i}" for i in range(23)]
        self._splits = {
            "train": PictureSplit(noise, 23, labels=[i % 2 for i in range(23)], captions=captions, flip_seed=flip_seed),
            "validation": PictureSplit(noise, 5, labels=[0] * 5, captions=captions[:5]),
        }

    def split(self, name):
        return self._splits[name]


def noise(indices):
    return keys(seed=0, purpose="pictures", places=indices).integers(256, (3, 8, 8)).to(torch.uint8)


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    monkeypatch.setattr(latents, "CHUNK", 8)
    monkeypatch.setattr(latents, "MICRO_BATCH", 4)


VISITS = [
    Visit(index, epoch, 9, place) for place, (index, epoch) in enumerate([(22, 0), (0, 0), (7, 1), (8, 1), (8, 2)])
]


@pytest.mark.parametrize("flip_seed", [None, 3], ids=["one orientation", "two"])
def test_visits_are_answered_as_the_pictures_would_answer_them(tmp_path, flip_seed):
    first_stage, pictures = Means(), Source(flip_seed).split("train")
    cache_latents(first_stage, pictures, tmp_path, device=CPU)
    cached = LatentDataset(tmp_path, pictures)
    visits = [Visit(i, epoch, 9, i) for epoch in range(3) for i in range(23)] + VISITS
    got, expected = cached.__getitems__(visits), pictures.__getitems__(visits)
    posterior = first_stage.encode(expected.picture)
    torch.testing.assert_close(got.posterior.mean, posterior.mean)
    torch.testing.assert_close(got.posterior.std, posterior.std)
    for name in ("index", "epoch", "place"):
        assert torch.equal(getattr(got, name), getattr(expected, name))
    assert got.step == 9 and len(cached) == 23
    assert got.prompts.caption == expected.prompts.caption
    assert torch.equal(got.prompts.label, expected.prompts.label)
    mirrored = (to_float(pictures.oriented(got.index.tolist(), False)) != expected.picture).flatten(1).any(1)
    assert mirrored.float().mean() == pytest.approx(0.0 if flip_seed is None else 0.5, abs=0.15)


def test_a_process_that_reads_is_told_where_the_latents_lie_and_not_sent_them(tmp_path):
    pictures = Source().split("train")
    cache_latents(Means(), pictures, tmp_path, device=CPU)
    cached = LatentDataset(tmp_path, pictures)
    sent = pickle.dumps(cached)
    got, expected = pickle.loads(sent).__getitems__(VISITS), cached.__getitems__(VISITS)
    assert torch.equal(got.posterior.mean, expected.posterior.mean) and got.prompts.caption == expected.prompts.caption
    assert len(sent) < 23 * 2 * 3 * 2 * 2 * 4 + len(pickle.dumps(pictures))  # bytes of the latents


def test_the_coin_of_the_pictures_mirrors_latents_too_whatever_the_seed_of_the_run(tmp_path):
    source = Source(flip_seed=3)
    module = LatentDataModule(Means(), source, tmp_path, batch_size=4, seed=1, num_workers=0)
    strategy = SimpleNamespace(root_device=CPU, barrier=lambda name: None)  # noqa: ARG005
    module.trainer = SimpleNamespace(
        precision="32-true", global_rank=0, world_size=1, is_global_zero=False, strategy=strategy
    )
    module.setup("fit")
    visits = [Visit(i, epoch, 0, i) for epoch in range(3) for i in range(23)]
    direct = Means().encode(source.split("train").__getitems__(visits).picture)
    torch.testing.assert_close(module.train.__getitems__(visits).posterior.mean, direct.mean)


def test_fewer_validation_pictures_than_processes_are_refused_before_anything_is_encoded(tmp_path):
    module = LatentDataModule(first_stage := Means(), Source(), tmp_path, batch_size=8, seed=1, num_workers=0)
    module.trainer = SimpleNamespace(world_size=8)
    with pytest.raises(ValueError, match="5 pictures for 8 processes"):
        module.setup("fit")
    assert first_stage.seen == 0
    assert not list(tmp_path.iterdir())


def test_a_row_that_shows_another_picture_has_its_prompts_whoever_reads_the_cache(tmp_path):
    found = {}

    def read(indices):
        found.update({5: 6} if 5 in indices else {})
        return noise([found.get(i, i) for i in indices])

    def pictures(stand_ins):
        captions = [f"noise {i}" for i in range(23)]
        return PictureSplit(read, 23, labels=list(range(23)), captions=captions, stand_ins=stand_ins)

    cache_latents(Means(), pictures(found), tmp_path, device=CPU)
    cached = LatentDataset(tmp_path, pictures({}))  # as of another process, which has read no picture
    got = cached.__getitems__([Visit(i, 0, 0, i) for i in (4, 5, 6)])
    assert torch.equal(got.posterior.mean[1], got.posterior.mean[2])
    assert got.prompts.caption == ("noise 4", "noise 6", "noise 6")
    assert cached.prompts[[5]].label.tolist() == [6]


def test_nothing_is_encoded_twice_and_an_interrupted_cache_goes_on(tmp_path):
    first_stage, pictures = Means(), Source(flip_seed=3).split("train")

    class Cut(KeyboardInterrupt):
        pass

    def two(chunks):
        yield from chunks[:2]
        raise Cut

    with pytest.raises(Cut):
        cache_latents(first_stage, pictures, tmp_path, device=CPU, track=two)
    assert first_stage.seen == 16
    with pytest.raises(FileNotFoundError, match="latent cache lacks"):
        LatentDataset(tmp_path, pictures)
    cache_latents(first_stage, pictures, tmp_path, device=CPU)
    assert first_stage.seen == 2 * 23
    cache_latents(first_stage, pictures, tmp_path, device=CPU)
    assert first_stage.seen == 2 * 23
    whole = LatentDataset(tmp_path, pictures).__getitems__(VISITS)
    assert torch.allclose(whole.posterior.mean, first_stage.encode(pictures.__getitems__(VISITS).picture).mean)


def test_a_half_written_file_is_no_part_of_the_cache(tmp_path, monkeypatch):
    def full(_, path):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    first_stage, pictures = Means(), Source().split("train")
    with monkeypatch.context() as broken:
        broken.setattr(latents, "save_tensors", full)
        with pytest.raises(OSError, match="No space"):
            cache_latents(first_stage, pictures, tmp_path, device=CPU)
    cache_latents(first_stage, pictures, tmp_path, device=CPU)
    assert len(LatentDataset(tmp_path, pictures).__getitems__(VISITS)) == len(VISITS)


def test_a_damaged_file_is_named_with_the_folder_to_delete(tmp_path):
    pictures = Source().split("train")
    cache_latents(Means(), pictures, tmp_path, device=CPU)
    path = tmp_path / "00001-0.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=rf"^{path}: cannot be read .*; delete {tmp_path} to have it made anew$"):
        LatentDataset(tmp_path, pictures)


def test_processes_share_the_work(tmp_path):
    pictures, workers = Source(flip_seed=3).split("train"), [Means(), Means()]
    for rank, worker in enumerate(workers):
        cache_latents(worker, pictures, tmp_path, device=CPU, rank=rank, world_size=2)
    assert [worker.seen for worker in workers] == [23, 23]
    LatentDataset(tmp_path, pictures)


def test_another_artifact_data_set_split_or_precision_is_another_folder(tmp_path):
    source, other = Source(), Source()
    other.fingerprint = "other noise"
    folders = [
        cache_folder(tmp_path, Means(), source, "train", bf16=False),
        cache_folder(tmp_path, Means("retrained"), source, "train", bf16=False),
        cache_folder(tmp_path, Means(), other, "train", bf16=False),
        cache_folder(tmp_path, Means(), source, "validation", bf16=False),
        cache_folder(tmp_path, Means(), source, "train", bf16=True),
    ]
    assert len(set(folders)) == 5
    assert cache_folder(tmp_path, Means(), Source(), "train", bf16=False) == folders[0]


@real
def test_real_photos_have_the_posteriors_that_the_encoder_gives_them(tmp_path):
    """An autoencoder of convolutions, mirrored photos; another number of pictures at once only rounds otherwise."""
    sizes = {"width": 8, "multipliers": [1, 2], "num_res_blocks": 1, "mid_attention": False, "norm_groups": 4}
    torch.manual_seed(0)
    autoencoder = Autoencoder(
        encoder=Encoder(out_channels=8, **sizes), bottleneck=Gaussian(), decoder=Decoder(latent_channels=4, **sizes)
    )
    first_stage = ArtifactFirstStage(autoencoder, mean=torch.full((4,), 0.1), std=torch.full((4,), 0.5), hash="small")
    assert isinstance(first_stage, FirstStage)
    source = ImageFolder(f"{REAL}/grocery/val", 16, flip=True, seed=5, validation_fraction=0.9)
    pictures = source.split("train")
    cache_latents(first_stage, pictures, tmp_path, device=CPU)
    cached = LatentDataset(tmp_path, pictures)
    visits = [Visit(i, i % 3, 0, i) for i in range(len(pictures))][::-1]
    with torch.inference_mode():
        direct = first_stage.encode(pictures.__getitems__(visits).picture)
    got = cached.__getitems__(visits).posterior
    torch.testing.assert_close(got.mean, direct.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got.std, direct.std, rtol=1e-4, atol=1e-5)
