import pytest

from darkroom.runs.files import replacing, write_text


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "summary.json"
    write_text(path, "old")
    with pytest.raises(RuntimeError, match="cut short"), replacing(path) as draft:
        draft.write_text("half of the n")
        raise RuntimeError("cut short")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_name_is_taken_only_when_the_file_is_complete(tmp_path):
    path = tmp_path / "folder" / "config.yaml"
    with replacing(path) as draft:
        draft.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
