"""What an autoencoder's training does to pictures first, so that it learns less of their set and more of pictures."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from darkroom.keys import Keys


@runtime_checkable
class Augmentation(Protocol):
    """A picture and its key to the picture that is encoded and asked back."""

    def __call__(self, picture: Float[Tensor, "b 3 H W"], keys: Keys) -> Float[Tensor, "b 3 H W"]: ...


class PermutedColours:
    """Exchanges the roles of red, green and blue in a share of the pictures.

    A small latent of a world with few colours learns each colour together with the shapes that it has seen in it, and
    draws others badly; under permuted colours it cannot.

    Args:
        share: of the pictures whose order is drawn, all six alike, so that a sixth of them stay as they were.

    Raises ValueError where the share is none.
    """

    def __init__(self, share: float = 0.5) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"stage.augmentation.share={share} must lie between 0 and 1")
        self.share = share

    def __call__(self, picture: Float[Tensor, "b 3 H W"], keys: Keys) -> Float[Tensor, "b 3 H W"]:
        order = keys.fold("order").uniform((3,)).argsort(dim=1)
        own = keys.fold("whether").bernoulli(self.share)[:, None]
        order = torch.where(own, order, torch.arange(3, device=order.device))
        return picture.gather(1, order[:, :, None, None].expand_as(picture))


class RandomShift:
    """Moves a picture by whole pixels; what is left open shows the picture mirrored at its edge.

    An autoencoder that halves the sides k times sees other blocks of 2^k pixels after each shift: of a small set of
    photos it then has far more to learn by heart.

    Args:
        pixels: the furthest shift, along each side and in both directions.

    Raises ValueError where that is none, and in a call where the picture is not larger.
    """

    def __init__(self, pixels: int = 8) -> None:
        if pixels < 1:
            raise ValueError(f"stage.augmentation.pixels={pixels} must be at least 1; leave stage.augmentation out")
        self.pixels = pixels

    def __call__(self, picture: Float[Tensor, "b 3 H W"], keys: Keys) -> Float[Tensor, "b 3 H W"]:
        if min(picture.shape[-2:]) <= self.pixels:
            raise ValueError(f"stage.augmentation.pixels={self.pixels}: pictures have only {picture.shape[-1]} a side")
        shift = keys.integers(2 * self.pixels + 1, (2,)) - self.pixels
        rows, columns = (_moved(shift[:, side], picture.shape[side - 2]) for side in (0, 1))
        picture = picture.gather(2, rows[:, None, :, None].expand_as(picture))
        return picture.gather(3, columns[:, None, None, :].expand_as(picture))


def _moved(shift: Int64[Tensor, " b"], size: int) -> Int64[Tensor, "b size"]:
    """Where each place of a side reads, mirrored at both ends without repeating the last pixel."""
    place = (torch.arange(size, device=shift.device) + shift[:, None]).abs()
    return size - 1 - (size - 1 - place).abs()
