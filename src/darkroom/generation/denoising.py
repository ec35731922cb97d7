"""What the second stage trains: a network and the conditioner that it listens to, averaged and saved together."""

from collections.abc import Callable
from typing import Any

from torch import nn

from darkroom.contracts import FirstStage


class Denoising(nn.Module):
    """``network`` predicts the process's target under what ``conditioner`` makes of the prompts.

    Args:
        network: everything but the latent's channels and the condition's widths, which it is given here.
    """

    network: nn.Module
    conditioner: nn.Module

    def __init__(self, *, network: Callable[..., nn.Module], conditioner: Any, first_stage: FirstStage):
        super().__init__()
        self.conditioner = conditioner
        self.network = network(channels=first_stage.spec.channels, condition=conditioner.spec)
