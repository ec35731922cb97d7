from functools import partial

import pytest
import torch

from darkroom.runs.checkpoint import AtomicCheckpointIO, checkpoint_path, is_whole, step_of, whole_checkpoints


@pytest.fixture
def saved(tmp_path):
    """Checkpoints after 9, 10 and 100 steps; names must not sort them as text."""
    for step in (9, 10, 100):
        AtomicCheckpointIO().save_checkpoint({"step": step, "w": torch.arange(1000.0)}, checkpoint_path(tmp_path, step))
    return tmp_path


def test_a_checkpoint_comes_back_bit_for_bit(saved):
    loaded = AtomicCheckpointIO().load_checkpoint(checkpoint_path(saved, 10))
    assert loaded["step"] == 10
    assert torch.equal(loaded["w"], torch.arange(1000.0))
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


def test_a_draft_of_a_killed_run_is_no_checkpoint(saved):
    (saved / ".step-00000200.ckpt.77.tmp").write_bytes(checkpoint_path(saved, 100).read_bytes())
    assert [step_of(p) for p in whole_checkpoints(saved)] == [9, 10, 100]


@pytest.mark.parametrize("weights_only", [None, True])
def test_a_checkpoint_runs_no_code(tmp_path, weights_only):
    path = tmp_path / "step-00000001.ckpt"
    torch.save({"trap": partial(print, "run")}, path)
    with pytest.raises(ValueError, match=r"step-00000001\.ckpt: holds other things .* it is not loaded"):
        AtomicCheckpointIO().load_checkpoint(path, weights_only=weights_only)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*step-00000001.ckpt"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "step-00000001.ckpt")


def test_steps_beyond_eight_digits_still_sort(tmp_path):
    for step in (99_999_999, 123_456_789):
        torch.save({}, checkpoint_path(tmp_path, step))
    assert [step_of(p) for p in whole_checkpoints(tmp_path)] == [99_999_999, 123_456_789]
