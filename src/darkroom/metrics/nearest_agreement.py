"""Whether pictures show what was asked for, as the nearest real picture tells: a classifier by one neighbour.

For data without a judge. Of classes it is as good as the features are, which its share on real pictures tells; of
captions that are each of one picture it counts samples that are like the very picture of that name.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.neighbours import nearest
from darkroom.metrics.rows import require_finite


class Found(NamedTuple):
    """Of ``n`` pictures ``right`` are nearest to one of what was asked for.

    ``chance`` is the share that would be if each had been asked for what a random one of them was: the agreement
    that Cohen's kappa (1960) takes for none.
    """

    right: int
    n: int
    chance: float


@dataclass(frozen=True)
class Named:
    """Real pictures by their features, and what each of them shows, in words."""

    features: Float[Tensor, "n d"]
    words: Sequence[str]

    def agreement(self, features: Float[Tensor, "m d"], asked: Sequence[str]) -> Found:
        """How many pictures are nearest to one of what was asked for, and of how many.

        Those asked for what none of the real pictures shows are left out: they could not be right. So are those that
        were asked for nothing, an empty caption.
        """
        require_finite(features)
        known = {words for words in self.words if words.strip()}
        rows = [row for row, words in enumerate(asked) if words in known]
        if not rows:
            return Found(0, 0, 0.0)
        shown = [self.words[place] for place in nearest(features[rows], self.features).index.tolist()]
        wanted = [asked[row] for row in rows]
        right = sum(a == b for a, b in zip(wanted, shown, strict=True))
        times, often = Counter(wanted), Counter(shown)
        return Found(right, len(rows), sum(times[words] * often[words] for words in times) / len(rows) ** 2)
