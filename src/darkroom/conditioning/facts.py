"""What a conditioner may learn from the data before it is built."""

from collections.abc import Sequence
from typing import NamedTuple


class Facts(NamedTuple):
    """The training pictures' captions and the names of the classes; None where the data has none."""

    captions: Sequence[str] | None = None
    classes: Sequence[str] | None = None

    @property
    def has_captions(self) -> bool:
        """Whether at least one picture has words."""
        return any(self.captions or ())
