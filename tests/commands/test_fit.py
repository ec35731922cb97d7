"""What of the config Lightning is told otherwise."""

import pytest
import torch
from omegaconf import OmegaConf

from darkroom.commands.fit import accelerator


@pytest.mark.parametrize(
    ("asked", "gpu", "told"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("gpu", True, "gpu")],
)
def test_auto_is_a_gpu_of_nvidia_or_the_cpu(monkeypatch, asked, gpu, told):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert accelerator(OmegaConf.create({"accelerator": asked})) == told
