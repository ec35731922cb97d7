"""A CLIP of random weights and a small size, as open_clip builds it, and a file of its weights."""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

NAME = "darkroom-tiny-clip"
_CONFIG = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 1},
}


def tiny_clip(folder: Path) -> tuple[Any, Any, Path]:
    """The model, its transform for pictures, and the file; open_clip knows it by :data:`NAME` from now on."""
    (folder / f"{NAME}.json").write_text(json.dumps(_CONFIG))
    open_clip.add_model_config(folder / f"{NAME}.json")
    torch.manual_seed(0)  # open_clip draws from the global generator
    model, _, transform = open_clip.create_model_and_transforms(NAME)
    save_file({name: each.contiguous() for name, each in model.state_dict().items()}, folder / "clip.safetensors")
    return model.eval(), transform, folder / "clip.safetensors"
