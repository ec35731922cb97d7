import gzip
import hashlib
import os
import shutil
import struct
from pathlib import Path

import pytest
import torch
import torchvision

from darkroom.contracts import Visit
from darkroom.data import mnist

REAL = os.environ.get("DARKROOM_REAL_DATA", "")
SIZES = {"train": 6, "t10k": 3}


def content(name):
    """An IDX file: picture i is full of 20 i + 1, label i is i."""
    size = SIZES[name.partition("-")[0]]
    if "labels" in name:
        return struct.pack(">BBBBi", 0, 0, 8, 1, size) + bytes(range(size))
    return struct.pack(">BBBBiii", 0, 0, 8, 3, size, 28, 28) + b"".join(bytes([20 * i + 1] * 784) for i in range(size))


def write(folder, zipped):
    folder.mkdir(parents=True, exist_ok=True)
    for name in mnist._MD5:
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content(name)) if zipped else content(name))


@pytest.fixture(autouse=True)
def small_originals(monkeypatch, request):
    """The sums of the small files above stand for those of the originals, except where the originals are read."""
    if "originals" not in request.node.name:
        monkeypatch.setattr(mnist, "_MD5", {name: hashlib.md5(content(name)).hexdigest() for name in mnist._MD5})


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", [".", "raw", "MNIST/raw"])
def test_files_are_read_where_they_lie_and_nothing_is_written(tmp_path, zipped, place):
    write(tmp_path / place, zipped)
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    source = mnist.MNIST(tmp_path, download=None)
    assert (len(source.split("train")), len(source.split("validation"))) == (6, 3)
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


def test_digits_are_padded_with_black_and_repeated_over_the_channels(tmp_path):
    write(tmp_path, True)
    train = mnist.MNIST(tmp_path).split("train")
    batch = train.__getitems__([Visit(4, 0, 0, 0), Visit(2, 0, 0, 1)])
    expected = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    expected[0, :, 2:30, 2:30], expected[1, :, 2:30, 2:30] = 81, 41
    assert torch.equal(batch.image, expected)
    assert batch.prompts.label.tolist() == [4, 2]
    assert batch.prompts.caption is None


def test_another_resolution_scales_the_padded_digit(tmp_path):
    write(tmp_path, True)
    image = mnist.MNIST(tmp_path, 64).split("train").oriented([3], mirrored=False)
    assert image.shape == (1, 3, 64, 64)
    assert image[0, :, 20:40, 20:40].unique().tolist() == [61]
    assert image[0, :, :2].unique().tolist() == [0]


def test_the_fingerprint_knows_the_resolution(tmp_path):
    write(tmp_path, True)
    small, again, large = (mnist.MNIST(tmp_path, side).fingerprint for side in (32, 32, 64))
    assert small == again != large


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(gzip.compress(b"other")), "not the original MNIST"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "fetch it again"),
        (lambda path: path.write_bytes(b"no gzip"), "fetch it again"),
    ],
    ids=["other", "cut", "text"],
)
def test_a_spoilt_file_is_named(tmp_path, spoil, reason):
    write(tmp_path, True)
    spoil(tmp_path / "t10k-images-idx3-ubyte.gz")
    with pytest.raises(ValueError, match=rf"t10k-images-idx3-ubyte\.gz: .*{reason}"):
        mnist.MNIST(tmp_path)


def test_missing_files_are_named_where_downloading_is_forbidden(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lacks train-images-idx3-ubyte.*set data\.download"):
        mnist.MNIST(tmp_path, download=None)
    with pytest.raises(FileNotFoundError, match=r"data\.root=.*gone: no such folder"):
        mnist.MNIST(tmp_path / "gone", download=tmp_path)


def test_missing_files_are_downloaded_once_into_the_other_folder(tmp_path, monkeypatch):
    calls = []

    def fetch(root, download):  # in place of the internet
        calls.append(download)
        write(Path(root) / "MNIST" / "raw", zipped=False)

    monkeypatch.setattr(torchvision.datasets, "MNIST", fetch)
    root, data = tmp_path / "root", tmp_path / "data"
    root.mkdir()
    for _ in range(2):
        assert len(mnist.MNIST(root, download=data).split("train")) == 6
    assert calls == [True]
    assert not list(root.iterdir())
    assert sorted(path.name for path in data.rglob("*") if path.is_file()) == sorted(mnist._MD5)


@pytest.mark.parametrize("there", [False, True])
def test_without_a_network_the_key_and_the_remedy_are_named_and_nothing_is_left(tmp_path, monkeypatch, there):
    def fetch(root, **_):
        (Path(root) / "MNIST" / "raw").mkdir(parents=True)
        raise RuntimeError("Error downloading\nTried here, got: no network")

    monkeypatch.setattr(torchvision.datasets, "MNIST", fetch)
    data = tmp_path / "data"
    if there:
        data.mkdir()
    with pytest.raises(FileNotFoundError, match=r"data\.download=.*data: .*no network.*data\.root") as caught:
        mnist.MNIST(data, download=data)
    assert "\n" not in str(caught.value)
    assert data.exists() == there
    assert not there or not list(data.iterdir())


@pytest.mark.skipif(not REAL, reason="DARKROOM_REAL_DATA is not set")
def test_the_originals_are_read_as_torchvision_reads_them(tmp_path):
    source = mnist.MNIST(Path(REAL) / "mnist", download=None)
    assert len(source.split("train")) == 60_000
    shutil.copytree(Path(REAL) / "mnist", tmp_path / "copy")
    other = torchvision.datasets.MNIST(tmp_path / "copy", train=False, download=True)  # unpacks, asks no network
    split = source.split("validation")
    assert list(split.labels) == other.targets.tolist()
    assert torch.equal(split.oriented(range(10_000), mirrored=False)[:, 2, 2:30, 2:30], other.data)
