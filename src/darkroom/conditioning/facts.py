"""What a conditioner may learn from the data before it is built."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from darkroom.build import resolved


class Facts(NamedTuple):
    """The training pictures' captions and the names of the classes; None where the data has none."""

    captions: Sequence[str] | None = None
    classes: Sequence[str] | None = None

    @property
    def has_captions(self) -> bool:
        """Whether at least one picture has words."""
        return any(self.captions or ())


def completed(node: dict[str, Any], facts: Facts) -> dict[str, Any]:
    """The node of a conditioner with what the data tells, by its class's own ``completed(arguments, facts)``.

    Raises ValueError where the conditioner cannot use the data.
    """
    conditioner: Any = resolved(node["_target_"])
    return node | conditioner.completed(arguments_of(node), facts)


def arguments_of(node: dict[str, Any]) -> dict[str, Any]:
    """What the node gives its class; ``???`` is for the data to fill in."""
    return {key: value for key, value in node.items() if not key.startswith("_") and value != "???"}
