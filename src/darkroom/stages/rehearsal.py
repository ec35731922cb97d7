"""A network tried on shapes alone, before anything expensive starts."""

from collections.abc import Callable

import torch
from torch import nn

from darkroom.contracts import Condition, ConditionSpec


def rehearse(network: Callable[..., nn.Module], latent: tuple[int, int, int], condition: ConditionSpec) -> None:
    """Builds ``network`` and runs it once on torch's meta device, where tensors have a shape and no numbers.

    Raises what the network has to say of latents ``[c h w]`` that do not fit it: a ValueError where its patch does not
    divide them.
    """
    with torch.device("meta"), torch.no_grad():
        trial = network(channels=latent[0], condition=condition)
        given = Condition(
            tokens=torch.empty(1, 1, condition.tokens) if condition.tokens else None,
            vector=torch.empty(1, condition.vector) if condition.vector else None,
            spatial=torch.empty(1, condition.spatial, *latent[1:]) if condition.spatial else None,
        )
        trial(torch.empty(1, *latent), torch.empty(1), given)
