import json
import os
from pathlib import Path

import pytest

from darkroom.data.listing import list_folder


def touch(root, *names):
    """Files of no content: listing opens no picture."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def listed(root, fraction=0.25, seed=0):
    return list_folder(root, validation_fraction=fraction, split_seed=seed)


def names(pictures):
    return [picture.name for picture in pictures]


@pytest.mark.parametrize("folder", ["val", "validation", "test"])
def test_a_given_split_is_taken(tmp_path, folder):
    touch(tmp_path, "train/b.png", "train/a.JPG", f"{folder}/c.webp", "notes.md")
    listing = listed(tmp_path)
    assert names(listing.train) == ["train/a.JPG", "train/b.png"]
    assert names(listing.validation) == [f"{folder}/c.webp"]
    assert listing.classes is None


def test_val_comes_before_test_and_what_is_left_out_is_said(tmp_path, caplog):
    touch(tmp_path, "train/a.png", "val/b.png", "test/c.png")
    assert names(listed(tmp_path).validation) == ["val/b.png"]
    assert "left out: test" in caplog.text


def test_a_file_whose_name_is_no_pictures_and_no_notes_is_named(tmp_path, caplog):
    touch(tmp_path, "1.png", "2.png", "1.txt", "metadata.jsonl", "README", "LICENSE.md", ".hidden", "stats.npz")
    assert len(listed(tmp_path).train) == 1
    assert not caplog.text
    touch(tmp_path, "a.dat", "deep/b")
    listed(tmp_path)
    assert f"{tmp_path}: 2 files are left out, no picture by the name: a.dat; rename" in caplog.text


def test_train_alone_is_split(tmp_path):
    touch(tmp_path, *(f"train/{i}.png" for i in range(8)))
    listing = listed(tmp_path)
    assert (len(listing.train), len(listing.validation)) == (6, 2)


def test_a_class_called_train_is_not_a_split(tmp_path):
    touch(tmp_path, *(f"{folder}/{i}.png" for folder in ("train", "car", "ship") for i in range(4)))
    listing = listed(tmp_path)
    assert listing.classes == ("car", "ship", "train")
    assert len(listing.train) == 9


def test_the_split_is_a_function_of_seed_and_names(tmp_path):
    touch(tmp_path, *(f"{i:03}.png" for i in range(200)))
    first = listed(tmp_path)
    assert listed(tmp_path) == first
    assert listed(tmp_path, seed=1).validation != first.validation
    assert not set(names(first.train)) & set(names(first.validation))
    assert len(first.validation) == 50


def test_a_picture_stays_on_its_side_when_others_come(tmp_path):
    touch(tmp_path, *(f"{i:03}.png" for i in range(200)))
    before = set(names(listed(tmp_path).validation))
    touch(tmp_path, *(f"new {i}.png" for i in range(40)))
    after = set(names(listed(tmp_path).validation))
    moved = {name for name in before ^ after if not name.startswith("new")}
    assert len(after) == 60
    assert len(moved) <= 8  # only around the border; a fresh draw would move about 70


def test_classes_are_the_first_folders_in_alphabetical_order(tmp_path):
    touch(tmp_path, "train/dog/1.png", "train/cat/deep/er/2.png", "val/dog/3.png")
    listing = listed(tmp_path)
    assert listing.classes == ("cat", "dog")
    assert [picture.label for picture in listing.train + listing.validation] == [0, 1, 1]


def test_classes_json_gives_the_order(tmp_path):
    touch(tmp_path, "train/dog/1.png", "train/cat/2.png", "val/emu/3.png")
    (tmp_path / "classes.json").write_text(json.dumps(["emu", "dog", "cat"]))
    listing = listed(tmp_path)
    assert listing.classes == ("emu", "dog", "cat")
    assert [picture.label for picture in listing.train + listing.validation] == [2, 1, 0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('["cat"]', "no class of .*classes.json: dog"),
        ('{"cat": 0}', "write a list"),
        ("[", "not JSON"),
        ('["cat", "cat"]', "names a class twice"),
    ],
)
def test_a_faulty_classes_json_is_named(tmp_path, content, reason):
    touch(tmp_path, "train/dog/1.png", "train/cat/2.png", "val/cat/3.png")
    (tmp_path / "classes.json").write_text(content)
    with pytest.raises(ValueError, match=reason):
        listed(tmp_path)


def test_a_validation_class_that_training_lacks_is_named(tmp_path):
    touch(tmp_path, "train/dog/1.png", "train/cat/2.png", "val/emu/3.png")
    with pytest.raises(ValueError, match="no class of the training pictures: emu"):
        listed(tmp_path)


@pytest.mark.parametrize("layout", [["a/1.png", "a/2.png"], ["1.png", "2.png"], ["a/1.png", "b/2.png", "3.png"]])
def test_one_folder_or_pictures_beside_folders_make_no_classes(tmp_path, layout):
    touch(tmp_path, *layout)
    listing = listed(tmp_path)
    assert listing.classes is None
    assert {picture.label for picture in listing.train} == {None}


def test_links_are_followed_and_a_circle_of_them_ends(tmp_path):
    outside = tmp_path / "outside"
    touch(outside, "3 Бр.png", "b/사진.png")
    root = tmp_path / "root"
    touch(root, "1.png")
    (root / "link").symlink_to(outside, target_is_directory=True)
    (outside / "back").symlink_to(root, target_is_directory=True)
    (root / "nowhere.png").symlink_to(root / "gone.png")
    listing = listed(root)
    found = sorted(names(listing.train + listing.validation))
    assert found == ["1.png", "link/3 Бр.png", "link/b/사진.png", "nowhere.png"]


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    touch(tmp_path, "1.png", "2.png", "._1.png", ".thumbnails/3.png")
    listing = listed(tmp_path)
    assert sorted(names(listing.train + listing.validation)) == ["1.png", "2.png"]


def test_a_missing_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data\.root=.*gone: no such folder"):
        listed(tmp_path / "gone")
    touch(tmp_path, "only one.png", "a.txt")
    with pytest.raises(FileNotFoundError, match="holds 1 picture, and two are the least"):
        listed(tmp_path)


@pytest.mark.skipif("DARKROOM_REAL_DATA" not in os.environ, reason="DARKROOM_REAL_DATA is not set")
def test_the_real_folders_are_read_as_they_describe_themselves():
    data = Path(os.environ["DARKROOM_REAL_DATA"])
    grocery = listed(data / "grocery")
    assert (len(grocery.train), len(grocery.validation)) == (760, 240)
    assert grocery.classes == tuple(json.loads((data / "grocery" / "classes.json").read_text()))
    assert all(f"/{grocery.classes[p.label]}/" in p.name for p in grocery.train + grocery.validation)
    assert grocery.train[0].caption is None

    emoji = listed(data / "noto_emoji", fraction=0.1)
    assert (len(emoji.train), len(emoji.validation)) == (1518, 169)
    assert emoji.classes is None
    captions = {picture.name: picture.caption for picture in emoji.train + emoji.validation}
    assert captions["emoji_u0023_20e3.png"] == "hash key"
    assert all(captions.values())
