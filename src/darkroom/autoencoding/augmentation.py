"""What an autoencoder's training does to pictures first, so that it learns less of their set and more of pictures."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
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
