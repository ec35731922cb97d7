"""Pictures of a split in batches, and through a first stage."""

from collections.abc import Iterator

import torch
from jaxtyping import UInt8
from torch import Tensor

from darkroom.commands.load import device
from darkroom.contracts import FirstStage, PictureDataset, to_float, to_uint8


def pictures_of(dataset: PictureDataset, batch_size: int) -> Iterator[UInt8[Tensor, "b 3 H W"]]:
    """Every picture once, in order."""
    for start in range(0, len(dataset), batch_size):
        yield dataset.oriented(range(start, min(start + batch_size, len(dataset))), mirrored=False)


@torch.inference_mode()
def reconstruct(first_stage: FirstStage, image: UInt8[Tensor, "b 3 H W"]) -> UInt8[Tensor, "b 3 H W"]:
    """Through the posterior's mean and back, in float32; from the CPU to the CPU."""
    return to_uint8(first_stage.decode(first_stage.encode(to_float(image.to(device()))).mean)).cpu()
