"""Pictures of a split in batches, and through a first stage."""

from collections.abc import Iterator

from jaxtyping import UInt8
from torch import Tensor

from darkroom.commands.load import device
from darkroom.contracts import FirstStage, PictureDataset
from darkroom.generation.reconstruct import reconstruct as through


def pictures_of(dataset: PictureDataset, batch_size: int) -> Iterator[UInt8[Tensor, "b 3 H W"]]:
    """Every picture once, in order."""
    for start in range(0, len(dataset), batch_size):
        yield dataset.oriented(range(start, min(start + batch_size, len(dataset))), mirrored=False)


def reconstruct(first_stage: FirstStage, image: UInt8[Tensor, "b 3 H W"]) -> UInt8[Tensor, "b 3 H W"]:
    """In float32, on the device of the commands; from the CPU to the CPU."""
    return through(first_stage, image, device())
