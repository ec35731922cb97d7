"""Pictures through a first stage and back: what a denoiser of its latents could at best draw."""

import torch
from jaxtyping import UInt8
from torch import Tensor

from darkroom.contracts import FirstStage, to_float, to_uint8
from darkroom.metrics.inference import exact_float32


def reconstruct(
    first_stage: FirstStage, image: UInt8[Tensor, "b 3 H W"], device: torch.device
) -> UInt8[Tensor, "b 3 H W"]:
    """Through the posterior's mean, on ``device``, in float32 as a CPU has it; from the CPU to the CPU."""
    with exact_float32(device):
        return to_uint8(first_stage.decode(first_stage.encode(to_float(image.to(device))).mean)).cpu()
