"""What a logger may know beside numbers: told by its methods, so that nobody imports a tracker that is not in use."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import UInt8
from torch import Tensor


@runtime_checkable
class PictureLogger(Protocol):
    """A logger that shows pictures."""

    def log_pictures(
        self, name: str, pictures: UInt8[Tensor, "n 3 H W"], captions: Sequence[str] | None, step: int
    ) -> None:
        """``step`` is the number of optimizer steps done."""


@runtime_checkable
class Closing(Protocol):
    """A logger that is to be told when the last has been logged."""

    def close(self) -> None:
        """Once; nothing is logged afterwards."""
