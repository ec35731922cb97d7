"""How often a judge reads in a picture what was asked for, and how sure that share is."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor
from torchmetrics import Metric

_Z = 1.959963984540054  # 97.5 % of N(0, 1) lie below it


class Interval(NamedTuple):
    low: float
    high: float


def wilson(right: int, n: int) -> Interval:
    """The 95 % interval of a share of ``right`` in ``n`` trials (Wilson 1927): sane near 0 and 1, where it is wanted.

    Raises ValueError for no trials.
    """
    if n < 1:
        raise ValueError("a share of no trials has no interval; judge at least one picture")
    share = right / n
    centre = share + _Z**2 / (2 * n)
    spread = _Z * (share * (1 - share) / n + _Z**2 / (4 * n**2)) ** 0.5
    scale = 1 + _Z**2 / n
    return Interval((centre - spread) / scale, (centre + spread) / scale)


class JudgeAgreement(Metric):
    """Shares of pictures in which the judge reads all that was asked, and each attribute for itself.

    A picture that the judge cannot read (``valid`` false) is wrong in everything and counted in ``invalid`` too.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    joint: Tensor
    each: Tensor
    invalid: Tensor
    count: Tensor

    def __init__(self, attributes: Sequence[str]):
        """``attributes`` name the columns that :meth:`update` gets: colour, shape, ..."""
        super().__init__()
        self.attributes = tuple(attributes)
        zero = torch.zeros((), dtype=torch.int64)
        self.add_state("joint", zero, dist_reduce_fx="sum")
        self.add_state("each", torch.zeros(len(self.attributes), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("invalid", zero.clone(), dist_reduce_fx="sum")
        self.add_state("count", zero.clone(), dist_reduce_fx="sum")

    def update(self, right: Bool[Tensor, "b attributes"], valid: Bool[Tensor, " b"]) -> None:
        """Adds pictures: which attribute is as asked, and whether the picture could be read at all."""
        right = right & valid[:, None]
        self.joint += right.all(dim=1).sum()
        self.each += right.sum(dim=0)
        self.invalid += (~valid).sum()
        self.count += len(valid)

    def compute(self) -> dict[str, float]:
        """``agreement`` with its ``_low`` and ``_high``, ``agreement_<attribute>``, ``invalid_rate`` and ``judged``.

        Raises ValueError where no picture was judged.
        """
        n = int(self.count)
        low, high = wilson(int(self.joint), n)
        shares = {f"agreement_{name}": int(k) / n for name, k in zip(self.attributes, self.each, strict=True)}
        return {
            "agreement": int(self.joint) / n,
            "agreement_low": low,
            "agreement_high": high,
            **shares,
            "invalid_rate": int(self.invalid) / n,
            "judged": n,
        }
