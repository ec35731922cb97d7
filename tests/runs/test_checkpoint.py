import zipfile
from functools import partial

import pytest
import torch

from darkroom.runs.checkpoint import (
    checkpoint_path,
    is_intact,
    is_whole,
    step_of,
    whole_checkpoints,
)
from darkroom.runs.checkpoint_io import AtomicCheckpointIO


@pytest.fixture
def saved(tmp_path):
    """Checkpoints after 9, 10 and 100 steps; names must not sort them as text."""
    for step in (9, 10, 100):
        held = {"step": step, "state_dict": {"w": torch.arange(1000.0)}, "callbacks": {}}
        AtomicCheckpointIO().save_checkpoint(held, checkpoint_path(tmp_path, step))
    return tmp_path


def test_a_checkpoint_comes_back_bit_for_bit(saved):
    loaded = AtomicCheckpointIO().load_checkpoint(checkpoint_path(saved, 10))
    assert loaded["step"] == 10
    assert torch.equal(loaded["state_dict"]["w"], torch.arange(1000.0))
    assert sorted(p.name for p in saved.iterdir()) == [checkpoint_path(saved, s).name for s in (9, 10, 100)]


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_checkpoint_that_was_cut_short_is_recognised_and_left_out(saved, kept, caplog):
    path = checkpoint_path(saved, 100)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert not is_whole(path)
    assert [step_of(p) for p in whole_checkpoints(saved)] == [9, 10]
    assert "step-00000100.ckpt is torn" in caplog.text
    with pytest.raises(ValueError, match="torn"):
        AtomicCheckpointIO().load_checkpoint(path)


def test_a_checkpoint_with_a_page_of_zeros_is_named_and_not_loaded(saved, caplog):
    """As a disk leaves it after a power cut; torch.load reads it without a word."""
    path = checkpoint_path(saved, 100)
    content, weights = path.read_bytes(), torch.arange(1000.0).numpy().tobytes()
    assert is_intact(path)
    path.write_bytes(content.replace(weights, bytes(len(weights))))
    assert is_whole(path) and not is_intact(path)
    assert "step-00000100.ckpt is damaged" in caplog.text
    with pytest.raises(ValueError, match=r"step-00000100\.ckpt is damaged, .* copy it again"):
        AtomicCheckpointIO().load_checkpoint(path)


@pytest.mark.parametrize("held", [{"w": torch.zeros(1)}, [1], {"state_dict": {}}])
def test_a_file_of_other_things_than_weights_is_refused(tmp_path, held):
    torch.save(held, checkpoint_path(tmp_path, 1))
    with pytest.raises(ValueError, match=r"step-00000001\.ckpt: has no weights"):
        AtomicCheckpointIO().load_checkpoint(checkpoint_path(tmp_path, 1))


def test_an_archive_of_another_program_is_refused(tmp_path):
    path = checkpoint_path(tmp_path, 1)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(ValueError, match=r"^.*step-00000001\.ckpt: torch cannot read it \(.*\)$"):
        AtomicCheckpointIO().load_checkpoint(path)


def test_a_draft_of_a_killed_run_is_no_checkpoint(saved):
    (saved / ".step-00000200.ckpt.77.tmp").write_bytes(checkpoint_path(saved, 100).read_bytes())
    assert [step_of(p) for p in whole_checkpoints(saved)] == [9, 10, 100]


@pytest.mark.parametrize("weights_only", [None, True])
def test_a_checkpoint_runs_no_code(tmp_path, weights_only):
    path = tmp_path / "step-00000001.ckpt"
    torch.save({"trap": partial(print, "run")}, path)
    with pytest.raises(ValueError, match=r"step-00000001\.ckpt: holds other things .* it is not loaded"):
        AtomicCheckpointIO().load_checkpoint(path, weights_only=weights_only)


def test_code_may_not_be_asked_for(saved):
    with pytest.raises(ValueError, match=r"^weights_only=False: .* leave it out$"):
        AtomicCheckpointIO().load_checkpoint(checkpoint_path(saved, 100), weights_only=False)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*step-00000001.ckpt"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "step-00000001.ckpt")


def test_steps_beyond_eight_digits_still_sort(tmp_path):
    for step in (99_999_999, 123_456_789):
        torch.save({}, checkpoint_path(tmp_path, step))
    assert [step_of(p) for p in whole_checkpoints(tmp_path)] == [99_999_999, 123_456_789]
