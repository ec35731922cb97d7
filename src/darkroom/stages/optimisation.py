"""Which parameters an optimizer gets, and how."""

from collections.abc import Callable

import torch
from torch import nn

# What a config builds with `_partial_: true`: everything but the parameters, or the optimizer, is bound.
OptimizerFactory = Callable[[list[dict]], torch.optim.Optimizer]
LRSchedule = Callable[[int], float]  # optimizer step to a factor on the learning rate


def refuse_faulty(optimizer: OptimizerFactory) -> None:
    """Raises ValueError where the optimizer refuses its settings: now, and not when the training has its records."""
    try:
        optimizer([{"params": [nn.Parameter(torch.zeros(1, 1))]}])
    except Exception as error:  # whatever its constructor raises: of betas too short, IndexError
        raise ValueError(f"optimizer: refuses its settings: {error}") from None  # build tells the innermost cause


def parameter_groups(module: nn.Module) -> list[dict]:
    """Trained parameters in two groups: weight decay is for matrices, not for gains, biases and embeddings.

    Recipes.md section 12. An embedding is an ``nn.Embedding``, or a bare parameter called ``..._embedding`` such as
    open_clip's places. The second group sets ``weight_decay`` to 0; an optimizer without weight decay ignores it.
    """
    embeddings = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    spared = {name for name, p in trained.items() if p.ndim < 2 or id(p) in embeddings or name.endswith("_embedding")}
    groups: list[dict] = [
        {"params": [p for name, p in trained.items() if name not in spared]},
        {"params": [p for name, p in trained.items() if name in spared], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
