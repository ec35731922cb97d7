"""Which parameters an optimizer gets, and how."""

from collections.abc import Callable, Iterable

import torch
from torch import nn

# What a config builds with `_partial_: true`: everything but the parameters, or the optimizer, is bound.
OptimizerFactory = Callable[[list[dict]], torch.optim.Optimizer]
LRSchedule = Callable[[int], float]  # optimizer step to a factor on the learning rate


def parameter_groups(module: nn.Module) -> list[dict]:
    """Trained parameters in two groups: weight decay is for matrices, not for gains, biases and embeddings.

    Recipes.md section 12. The second group sets ``weight_decay`` to 0; an optimizer without weight decay ignores it.
    """
    embeddings = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    trained = [p for p in module.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.ndim > 1 and id(p) not in embeddings]
    kept = {id(p) for p in decayed}
    groups = [{"params": decayed}, {"params": [p for p in trained if id(p) not in kept], "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def trained_parameters(module: nn.Module) -> Iterable[nn.Parameter]:
    """What learns."""
    return (p for p in module.parameters() if p.requires_grad)
