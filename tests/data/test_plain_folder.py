import shutil

import pytest
import torch
from PIL import Image

from darkroom.data.plain_folder import PlainFolder, prepared
from darkroom.data.reading import VERSION


def corner(picture):
    return picture[:, :16, :16]


@pytest.fixture
def folder(tmp_path):
    """Seven pictures of several sizes and modes, one in a sub-folder."""
    for number in range(6):
        Image.new("RGB", (20 + number, 30), (40 * number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "inner").mkdir()
    Image.new("LA", (40, 20), (0, 0)).save(tmp_path / "inner" / "clear.png")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_file_that_may_have_been_meant_as_a_picture_is_named(folder, caplog):
    shutil.copy(folder / "0.png", folder / "b")
    assert len(PlainFolder(folder)) == 7
    assert "1 file is left out, no picture by the name: b;" in caplog.text


def test_pictures_come_in_the_order_of_their_names(folder):
    names = PlainFolder(folder).names
    found = prepared(folder, names, corner)
    assert names[-1] == "inner/clear.png"
    assert torch.equal(found[2:4], prepared(folder, names[2:4], corner))
    assert found.shape == (7, 3, 16, 16)
    assert found[:, 0, 8, 8].tolist() == [0, 40, 80, 120, 160, 200, 255]


def test_the_fingerprint_is_of_names_and_contents(folder):
    before = PlainFolder(folder).fingerprint
    (folder / "0.png").rename(folder / "00.png")
    renamed = PlainFolder(folder).fingerprint
    Image.new("RGB", (20, 30)).save(folder / "1.png")
    assert len({before, renamed, PlainFolder(folder).fingerprint}) == 3


def test_the_fingerprint_is_of_how_pictures_are_read_too(folder, monkeypatch):
    before = PlainFolder(folder).fingerprint
    monkeypatch.setattr("darkroom.data.plain_folder.VERSION", VERSION + 1)
    assert PlainFolder(folder).fingerprint != before


def test_pictures_that_cannot_be_read_are_all_named(folder):
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:40])
    (folder / "3.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"^2 pictures cannot be read; .*2\.png: .*3\.png: the file is empty$"):
        prepared(folder, PlainFolder(folder).names, corner)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no pictures"):
        PlainFolder(tmp_path)
