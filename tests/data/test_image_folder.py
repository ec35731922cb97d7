import logging
import os
import pickle
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from darkroom.contracts import Visit
from darkroom.data import reading
from darkroom.data.image_folder import ImageFolder
from darkroom.data.prompts import names_hash
from darkroom.data.reading import Reading
from darkroom.data.split import PictureSplit
from darkroom.generation.sample_set import SampleSet

REAL = os.environ.get("DARKROOM_REAL_DATA", "")
real = pytest.mark.skipif(not REAL, reason="DARKROOM_REAL_DATA is not set")
CACHED, READ_EACH_TIME = 1024, 0


def grey(index):
    return 10 * index


@pytest.fixture
def folder(tmp_path):
    """12 pictures of train, 3 of val; picture i is of the grey 10 i, in two classes, with captions."""
    for i in range(15):
        split, kind = ("train" if i < 12 else "val"), "ab"[i % 2]
        path = tmp_path / split / kind / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 8), (grey(i),) * 3).save(path)
        path.with_suffix(".txt").write_text(f"number {i}")
    return tmp_path


def spoil(path):
    """Keep the header and lose the pixels."""
    Image.fromarray(np.arange(256 * 256 * 3, dtype=np.uint32).astype(np.uint8).reshape(256, 256, 3)).save(path)
    path.write_bytes(path.read_bytes()[:120])


def batch(split, *indices):
    return split.__getitems__([Visit(index, 0, 7, place) for place, index in enumerate(indices)])


@pytest.mark.parametrize("cache_mb", [CACHED, READ_EACH_TIME])
def test_a_batch_holds_the_visited_pictures_with_class_and_caption(folder, cache_mb):
    source = ImageFolder(folder, 4, cache_mb=cache_mb)
    train = source.split("train")  # a: 0 2 4 6 8 10, b: 1 3 5 7 9 11
    assert (len(train), len(source.split("validation")), source.classes) == (12, 3, ("a", "b"))
    got = batch(train, 11, 0, 7)
    assert got.image.shape == (3, 3, 4, 4) and got.image.dtype == torch.uint8
    assert got.image[:, 0, 0, 0].tolist() == [grey(11), grey(0), grey(3)]
    assert got.prompts.label.tolist() == [1, 0, 1]
    assert got.prompts.caption == ("number 11", "number 0", "number 3")
    assert (got.index.tolist(), got.place.tolist(), got.step) == ([11, 0, 7], [0, 1, 2], 7)
    assert batch(source.split("validation"), 2).image[0, 0, 0, 0] == grey(13)


def test_reading_ahead_and_reading_each_time_give_the_same_pictures(folder):
    ahead, each = (ImageFolder(folder, 8, cache_mb=cache, flip=True) for cache in (CACHED, READ_EACH_TIME))
    for name in ("train", "validation"):
        indices = range(len(ahead.split(name)))
        assert torch.equal(batch(ahead.split(name), *indices).image, batch(each.split(name), *indices).image)
    assert ahead.fingerprint == each.fingerprint


@pytest.mark.parametrize("cache_mb", [CACHED, READ_EACH_TIME])
def test_writing_into_a_batch_leaves_the_pictures_alone(folder, cache_mb):
    train = ImageFolder(folder, 4, cache_mb=cache_mb).split("train")
    batch(train, 3).image.zero_()
    assert batch(train, 3).image[0, 0, 0, 0] == grey(6)


def test_unreadable_pictures_are_named_and_skipped(folder, caplog):
    (folder / "train" / "a" / "02.png").write_bytes(b"")
    spoil(folder / "train" / "b" / "03.png")
    source = ImageFolder(folder, 4, max_unreadable=2)
    train = source.split("train")
    assert "a/02.png: the file is empty" in caplog.text and "b/03.png" in caplog.text
    assert [c.split()[1] for c in train.captions] == ["0", "4", "6", "8", "10", "1", "5", "7", "9", "11"]
    assert batch(train, *range(10)).image[:, 0, 0, 0].tolist() == [grey(i) for i in (0, 4, 6, 8, 10, 1, 5, 7, 9, 11)]
    assert len(source.split("validation")) == 3


@pytest.mark.parametrize("cache_mb", [CACHED, READ_EACH_TIME])
def test_too_many_unreadable_pictures_stop_the_run_with_their_list(folder, cache_mb):
    for name in ("train/a/02.png", "val/b/13.png"):
        (folder / name).write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"2 pictures cannot be read, 1 may \(data\.max_unreadable\)") as caught:
        ImageFolder(folder, 4, max_unreadable=1, cache_mb=cache_mb)
    assert "02.png" in str(caught.value) and "13.png" in str(caught.value)


def test_a_picture_that_fails_only_when_visited_is_replaced_by_the_next_everywhere(folder, caplog):
    spoil(folder / "train" / "a" / "02.png")
    train = ImageFolder(folder, 4, max_unreadable=1, cache_mb=READ_EACH_TIME).split("train")
    assert len(train) == 12
    copy = pickle.loads(pickle.dumps(train))  # as another process would have it
    first, again = batch(train, 0, 1, 2), batch(copy, 1)
    assert first.image[:, 0, 0, 0].tolist() == [grey(0), grey(4), grey(4)]
    assert again.image[0, 0, 0, 0] == grey(4)
    assert (first.prompts.caption, again.prompts.caption) == (("number 0", "number 4", "number 4"), ("number 4",))
    batch(train, 1)
    assert caplog.text.count("02.png") == 2  # once in each process
    spoil(folder / "train" / "a" / "10.png")
    with pytest.raises(ValueError, match="2 pictures cannot be read, 1 may"):
        batch(train, 5)


def test_each_process_and_split_counts_by_itself_what_only_a_visit_finds(folder):
    for name in ("train/a/02.png", "val/b/13.png"):
        spoil(folder / name)
    source = ImageFolder(folder, 4, max_unreadable=1, cache_mb=READ_EACH_TIME)
    for split in ("train", "validation"):
        for dataset in (source.split(split), pickle.loads(pickle.dumps(source.split(split)))):
            assert len(batch(dataset, *range(len(dataset))).image) == len(dataset)


def test_the_label_of_a_picture_that_is_replaced_is_that_of_the_next(folder):
    spoil(folder / "train" / "a" / "10.png")
    train = ImageFolder(folder, 4, max_unreadable=1, cache_mb=READ_EACH_TIME).split("train")
    found = batch(train, 4, 5)
    assert (found.image[:, 0, 0, 0].tolist(), found.prompts.label.tolist()) == ([grey(8), grey(1)], [0, 1])


@pytest.mark.parametrize("worker", [None, "a worker process"])
def test_pictures_are_decoded_in_threads_but_where_there_are_processes_for_it(folder, monkeypatch, worker):
    threads, decode = set(), Reading.picture

    def watched(own, name):
        threads.add(threading.current_thread())
        return decode(own, name)

    train = ImageFolder(folder, 4, cache_mb=READ_EACH_TIME).split("train")
    monkeypatch.setattr(Reading, "picture", watched)
    monkeypatch.setattr(reading, "get_worker_info", lambda: worker)
    batch(train, *range(12))
    assert (threading.main_thread() in threads) == (worker is not None)


def test_a_split_with_nothing_readable_is_named(folder):
    for path in (folder / "val").rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="no picture of the validation split can be read"):
        ImageFolder(folder, 4, max_unreadable=100)


def test_only_training_is_mirrored_and_only_when_asked(folder):
    splits = {flip: ImageFolder(folder, 4, flip=flip) for flip in (False, True)}
    assert [splits[flip].split("train").flip_seed for flip in (False, True)] == [None, 0]
    assert splits[True].split("validation").flip_seed is None


def test_the_fingerprint_changes_with_what_changes_the_pictures_and_nothing_else(folder):
    prints = {"itself": ImageFolder(folder, 4).fingerprint}
    assert ImageFolder(folder, 4, max_unreadable=3, seed=5).fingerprint == prints["itself"]
    moved = folder.with_name("moved")
    shutil.copytree(folder, moved)
    assert ImageFolder(moved, 4).fingerprint == prints["itself"]
    prints["resolution"] = ImageFolder(folder, 8).fingerprint
    prints["background"] = ImageFolder(folder, 4, background=(0, 0, 0)).fingerprint
    (folder / "train" / "a" / "00.png").rename(folder / "train" / "a" / "zz.png")
    prints["name"] = ImageFolder(folder, 4).fingerprint
    Image.new("RGB", (12, 8), (1, 2, 3)).save(folder / "train" / "a" / "zz.png")
    prints["content"] = ImageFolder(folder, 4).fingerprint
    assert len(set(prints.values())) == 5


def test_mirroring_and_names_are_of_the_training_and_not_of_the_pictures(folder):
    plain, flipped = (ImageFolder(folder, 4, flip=flip) for flip in (False, True))
    (folder / "train" / "a" / "00.txt").write_text("another caption")
    renamed = ImageFolder(folder, 4)
    assert plain.fingerprint == flipped.fingerprint == renamed.fingerprint
    names = [names_hash(each.split("train")) for each in (plain, flipped, renamed)]
    assert names[0] == names[1] != names[2]
    bare = names_hash(PictureSplit(list, 12)), names_hash(PictureSplit(list, 12, labels=[0, 1] * 6))
    assert bare[0] is None and len({*bare, *names}) == 4
    facts = [SampleSet(4, 4).facts(each) for each in (plain, renamed)]
    assert facts[0] == facts[1]  # by which features are kept, and those are of pictures


def test_faulty_settings_are_listed_at_once(folder):
    with pytest.raises(ValueError) as caught:
        ImageFolder(folder, 0, validation_fraction=1.0, background=(0, 0, 256), max_pixels=10**9)
    lines = str(caught.value).splitlines()
    assert [line.partition("=")[0] for line in lines] == [
        "data.resolution",
        "data.validation_fraction",
        "data.background",
        "data.max_pixels",
    ]


@real
def test_transparent_emoji_lie_on_their_ground():
    def corner(ground):
        source = ImageFolder(Path(REAL) / "noto_emoji", 32, background=(ground,) * 3, cache_mb=READ_EACH_TIME)
        return batch(source.split("train"), *range(0, 1500, 10)).image[:, :, 0, 0].float().mean()

    assert corner(255) > 250 and corner(0) < 5  # the corners of nearly all emoji are clear


@real
def test_photos_come_out_as_photos(caplog):
    caplog.set_level(logging.WARNING)
    source = ImageFolder(Path(REAL) / "grocery", 64, cache_mb=READ_EACH_TIME)
    assert not caplog.text and source.split("train").captions is None
    with Image.open(sorted((Path(REAL) / "grocery" / "train" / "Apple").iterdir())[5]) as photo:
        reference = np.asarray(photo.resize((64, 64), Image.Resampling.BICUBIC))  # it is square
    difference = batch(source.split("train"), 5).image[0].permute(1, 2, 0).numpy().astype(int) - reference
    assert np.abs(difference).mean() < 1.5
