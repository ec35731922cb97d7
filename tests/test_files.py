import errno
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from darkroom import files
from darkroom.commands.faults import line
from darkroom.files import replacing, sweep, write_text


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
    assert line(caught.value) == f"{path}: the disk is full; make room, then start again, a training by resume=RUN"
    assert not list(tmp_path.iterdir())


def test_a_folder_is_whole_or_absent_too(tmp_path):
    with replacing(tmp_path / "artifact") as draft:
        draft.mkdir()
        (draft / "weights").write_text("1")
    assert (tmp_path / "artifact" / "weights").read_text() == "1"
    with pytest.raises(RuntimeError), replacing(tmp_path / "other") as draft:
        draft.mkdir()
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc, which names an open file")
@pytest.mark.parametrize("inner", [[], ["weights", "more/config.yaml"]])
def test_all_is_flushed_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch, inner):
    """Else a power cut may leave the name with nothing behind it, or take it back."""
    done: list[tuple[bool, Path]] = []  # whether the name was taken, and what was flushed
    path = tmp_path / "name"

    def flush(handle: int) -> None:
        done.append((path.exists(), Path(f"/proc/self/fd/{handle}").readlink()))

    monkeypatch.setattr(os, "fsync", flush)
    with replacing(path) as draft:
        for file in (draft / each for each in inner) if inner else [draft]:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("1")
        drafts = {draft, *draft.rglob("*")}
    assert {flushed for taken, flushed in done if not taken} == drafts
    assert [flushed for taken, flushed in done if taken] == [tmp_path]


def test_drafts_of_killed_processes_are_swept_away_and_nothing_else(tmp_path):
    inner = tmp_path / "checkpoints"
    inner.mkdir()
    for name in (".step-00000003.ckpt.7.tmp", "step-00000002.ckpt", ".hidden", "a.tmp"):
        (inner / name).write_text("")
    (tmp_path / ".first_stage.7.tmp").mkdir()
    sweep(tmp_path, seconds=3600)
    assert len(list(tmp_path.rglob("*"))) == 6
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        ".hidden",
        "a.tmp",
        "checkpoints",
        "step-00000002.ckpt",
    ]


def test_a_draft_that_another_process_renames_meanwhile_is_not_missed(tmp_path, monkeypatch):
    drafts = [tmp_path / f".{name}.7.tmp" for name in ("first", "second")]
    for draft in drafts:
        draft.write_text("")

    def later():
        for draft in drafts:
            if draft.exists():
                draft.rename(tmp_path / draft.name.split(".")[1])
        return time.time()

    monkeypatch.setattr(files, "time", SimpleNamespace(time=later))
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]
