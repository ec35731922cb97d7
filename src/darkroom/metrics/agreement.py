"""How often a judge reads in a picture what was asked for, and how sure that share is."""

from collections.abc import Sequence
from typing import NamedTuple

from darkroom.contracts import Verdicts

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
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return Interval(0.0 if right == 0 else low, 1.0 if right == n else high)  # without the rounding of equal terms


class Share(NamedTuple):
    """Of pictures, counted."""

    right: int
    n: int

    @property
    def value(self) -> float:
        return self.right / self.n

    @property
    def interval(self) -> Interval:
        return wilson(self.right, self.n)


def agreement(verdicts: Verdicts, attributes: Sequence[str]) -> dict[str, Share]:
    """``agreement``, in which the judge reads all that was asked, ``agreement_<attribute>`` and ``agreement_invalid``.

    ``attributes`` name the columns of the verdicts: colour, shape, ... A picture that the judge cannot read is wrong in
    everything, and counted as invalid too. Raises ValueError where no picture was judged.
    """
    n = len(verdicts.valid)
    if not n:
        raise ValueError("no picture was judged; draw at least one")
    right = verdicts.right & verdicts.valid[:, None]
    each = {f"agreement_{name}": column for name, column in zip(attributes, right.T, strict=True)}
    columns = {"agreement": right.all(dim=1), **each, "agreement_invalid": ~verdicts.valid}
    return {name: Share(int(column.sum()), n) for name, column in columns.items()}
