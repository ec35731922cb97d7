import json
import unicodedata

import pytest

from darkroom.data.captions import read_captions


def captions(root, *pictures):
    files = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    return read_captions(root, pictures, [*files, *pictures])


def write_rows(path, *rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def test_rows_of_metadata_belong_to_the_folder_they_lie_in(tmp_path):
    write_rows(tmp_path / "metadata.jsonl", {"file_name": "b/2.png", "text": "two"})
    write_rows(tmp_path / "a" / "metadata.jsonl", {"file_name": "1.png", "text": "one", "more": [1]})
    assert captions(tmp_path, "a/1.png", "b/2.png") == ["one", "two"]


def test_a_text_file_beside_the_picture_is_its_caption(tmp_path):
    (tmp_path / "1.txt").write_bytes(b"\xef\xbb\xbf a cat,\r\nasleep \r\n")  # BOM, line ends of Windows, blanks
    (tmp_path / "README.txt").write_text("no caption")
    assert captions(tmp_path, "1.png", "2.png") == ["a cat, asleep", ""]


def test_a_row_wins_over_a_text_file_and_an_empty_row_does_not(tmp_path):
    write_rows(tmp_path / "metadata.jsonl", {"file_name": "1.png", "text": "row"}, {"file_name": "2.png", "text": None})
    (tmp_path / "1.txt").write_text("file")
    (tmp_path / "2.txt").write_text("file")
    assert captions(tmp_path, "1.png", "2.png") == ["row", "file"]


def test_metadata_with_byte_order_mark_windows_line_ends_and_blank_lines_is_read(tmp_path):
    lines = b'\xef\xbb\xbf{"file_name": "1.png", "text": " one "}\r\n\r\n{"file_name": "2.png", "text": "two"}\r\n'
    (tmp_path / "metadata.jsonl").write_bytes(lines)
    assert captions(tmp_path, "1.png", "2.png") == ["one", "two"]


def test_names_in_other_alphabets_match_however_the_accents_are_stored(tmp_path):
    composed, apart = (unicodedata.normalize(form, "crème 사진.png") for form in ("NFC", "NFD"))
    assert composed != apart
    write_rows(tmp_path / "metadata.jsonl", {"file_name": composed, "text": "une crème"})
    assert captions(tmp_path, apart) == ["une crème"]


def test_a_folder_without_captions_has_none(tmp_path):
    assert captions(tmp_path, "1.png") is None
    write_rows(tmp_path / "metadata.jsonl", {"file_name": "1.png", "category": "food"})
    assert captions(tmp_path, "1.png") is None


def test_rows_that_have_other_keys_and_no_text_are_told_by_file_and_key(tmp_path, caplog):
    write_rows(tmp_path / "a" / "metadata.jsonl", {"file_name": "1.png", "text": None, "category": "food"})
    write_rows(tmp_path / "b" / "metadata.jsonl", {"file_name": "2.png"})
    assert captions(tmp_path, "a/1.png", "b/2.png") is None
    assert not caplog.messages
    write_rows(
        tmp_path / "c" / "metadata.jsonl", {"file_name": "3.png", "tags": [1]}, {"file_name": "4.png", "caption": "x"}
    )
    assert captions(tmp_path, "a/1.png", "b/2.png", "c/3.png", "c/4.png") is None
    [said] = caplog.messages
    assert said.startswith(f"{tmp_path / 'c' / 'metadata.jsonl'}: no row has text") and said.endswith("caption, tags")


def test_missing_and_surplus_rows_are_counted_and_named(tmp_path, caplog):
    write_rows(tmp_path / "metadata.jsonl", *({"file_name": f"{i}.png", "text": "t"} for i in range(6)))
    assert captions(tmp_path, "0.png", "9.png") == ["t", ""]
    assert "5 rows of metadata.jsonl name no picture: 1.png, 2.png, 3.png, ..." in caplog.text
    assert "1 pictures have no caption and get the empty one: 9.png" in caplog.text


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "no file_name"),
        ('{"text": "a"}', "no file_name"),
        ('{"file_name": "2.png", "text": ["a", "b"]}', "is not a string"),
        ('{"file_name": "./1.png", "text": "again"}', "a second row"),
    ],
)
def test_a_faulty_line_is_named_by_file_and_number(tmp_path, second, reason):
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "1.png", "text": "one"}\n' + second)
    with pytest.raises(ValueError, match=rf"metadata\.jsonl, line 2: .*{reason}"):
        captions(tmp_path, "1.png")


@pytest.mark.parametrize("name", ["metadata.jsonl", "1.txt"])
def test_text_that_is_not_utf_8_is_named(tmp_path, name):
    (tmp_path / name).write_bytes("café".encode("latin-1"))
    with pytest.raises(ValueError, match=rf"{name}: not UTF-8 .*save it as UTF-8"):
        captions(tmp_path, "1.png")


def test_a_caption_of_10000_characters_arrives_whole(tmp_path):
    long = " ".join(f"word{number}" for number in range(1300))
    assert len(long) > 10_000
    write_rows(tmp_path / "metadata.jsonl", {"file_name": "1.png", "text": long})
    (tmp_path / "2.txt").write_text(long)
    assert captions(tmp_path, "1.png", "2.png") == [long, long]


def test_empty_captions_are_none_and_do_not_take_the_place_of_others(tmp_path, caplog):
    write_rows(tmp_path / "metadata.jsonl", {"file_name": "1.png", "text": ""}, {"file_name": "2.png", "text": " \n"})
    for name, text in {"3": b"", "4": b"\xef\xbb\xbf\r\n", "5": b"a cat"}.items():
        (tmp_path / f"{name}.txt").write_bytes(text)
    assert captions(tmp_path, *(f"{name}.png" for name in range(1, 6))) == ["", "", "", "", "a cat"]
    assert "4 pictures have no caption" in caplog.text


def test_a_line_of_metadata_ends_where_json_lines_do(tmp_path):
    text = "one\u2028two\x85three"  # line ends to str.splitlines, and letters like others to JSON
    write_rows(tmp_path / "metadata.jsonl", {"file_name": "1.png", "text": text}, {"file_name": "2.png", "text": "b"})
    assert captions(tmp_path, "1.png", "2.png") == ["one two three", "b"]


def test_text_in_the_other_unicode_of_windows_is_named(tmp_path):
    (tmp_path / "1.txt").write_bytes("a cat".encode("utf-16"))
    with pytest.raises(ValueError, match=r"1\.txt: not UTF-8"):
        captions(tmp_path, "1.png")
