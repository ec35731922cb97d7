"""Whether pictures show what was asked for, as the nearest real picture tells: a classifier by one neighbour.

For data without a judge. Of classes it is as good as the features are, which its share on real pictures tells; of
captions that are each of one picture it counts samples that are like the very picture of that name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.neighbours import nearest
from darkroom.metrics.rows import require_finite


@dataclass(frozen=True)
class Named:
    """Real pictures by their features, and what each of them shows, in words."""

    features: Float[Tensor, "n d"]
    words: Sequence[str]

    def agreement(self, features: Float[Tensor, "m d"], asked: Sequence[str]) -> tuple[int, int]:
        """How many pictures are nearest to one of what was asked for, and of how many.

        Those asked for what none of the real pictures shows are left out: they could not be right. So are those that
        were asked for nothing, an empty caption.
        """
        require_finite(features)
        known = {words for words in self.words if words.strip()}
        rows = [row for row, words in enumerate(asked) if words in known]
        if not rows:
            return 0, 0
        closest = nearest(features[rows], self.features).index.tolist()
        return sum(self.words[place] == asked[row] for row, place in zip(rows, closest, strict=True)), len(rows)
