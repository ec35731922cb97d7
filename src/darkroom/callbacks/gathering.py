"""Rows of all processes as if one had computed them."""

import torch
from jaxtyping import Int64, Shaped
from lightning.pytorch import Trainer
from torch import Tensor


def gathered(
    trainer: Trainer, index: Int64[Tensor, " k"], rows: Shaped[Tensor, "k d"], n: int
) -> Shaped[Tensor, "n d"]:
    """The rows of every process in the order of their index, on the CPU; to be called by all of them.

    Processes may have different numbers of rows: they are filled up on the way. Raises ValueError where the indices are
    not 0..n-1, each once: a number over doubled or missing pictures would look right.
    """
    lengths = trainer.strategy.all_gather(torch.tensor(len(index), device=trainer.strategy.root_device))
    size = int(lengths.max())
    indices, values = (_together(trainer, part, size) for part in (index, rows))
    there = indices >= 0
    order = indices[there].argsort()
    found = indices[there][order]
    if not torch.equal(found, torch.arange(n)):
        raise ValueError(f"of {n} pictures some are missing or came twice, so that no number is of all")
    return values[there][order]


def _together(trainer: Trainer, part: Tensor, size: int) -> Tensor:
    filler = part.new_full((size - len(part), *part.shape[1:]), -1)
    everyone = trainer.strategy.all_gather(torch.cat([part, filler]).to(trainer.strategy.root_device))
    return everyone.reshape(-1, *part.shape[1:]).cpu()
