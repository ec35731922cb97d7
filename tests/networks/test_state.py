import os

import pytest
import torch
from safetensors.torch import load_file

from darkroom.networks.state import save_tensors


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_tensors_are_for_whoever_may_read_any_other_new_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        (tmp_path / "text").write_text("")
        save_tensors({"a": torch.ones(2)}, tmp_path / "tensors")
    finally:
        os.umask(before)
    assert (tmp_path / "tensors").stat().st_mode == (tmp_path / "text").stat().st_mode
    assert load_file(tmp_path / "tensors")["a"].tolist() == [1, 1]
