import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from darkroom.commands.faults import line
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full, whose every writing fails")
@pytest.mark.parametrize("write", [lambda full: full.write_text("x" * 10_000), lambda full: torch.save([1], full)])
def test_a_full_disk_is_one_line_that_names_the_file(tmp_path, monkeypatch, write):
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: SimpleNamespace(free=0)
    )  # torch.save does not say why it failed
    path = tmp_path / "step.ckpt"
    with pytest.raises(OSError) as caught, replacing(path):
        write(Path("/dev/full"))
    assert caught.value.errno == errno.ENOSPC
    assert line(caught.value) == f"{path}: the disk is full; make room, then go on with resume=RUN"
    assert not list(tmp_path.iterdir())
