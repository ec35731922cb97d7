"""The trunk of a torchvision classifier that answers what several of its layers see."""

import itertools
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from darkroom.networks.pretrained.trunk import Trunk


class TappedTrunk(nn.Module):
    """``features`` of ``torchvision.models``' ``model`` up to the last tap, with torchvision's names of weights."""

    def __init__(self, model: str, taps: Sequence[int]) -> None:
        """``taps`` are places in ``features``, rising, each of which gives its map.

        Raises ValueError for taps that do not rise or are not there, and as :class:`Trunk` does.
        """
        super().__init__()
        features = list(Trunk(model).features.children())
        rising = all(a < b for a, b in itertools.pairwise([-1, *taps]))
        if not taps or not rising or taps[-1] >= len(features):
            raise ValueError(
                f"taps={list(taps)}: want rising places in the features of {model}, 0 to {len(features) - 1}"
            )
        self.model, self.taps = model, tuple(taps)
        self.features = nn.Sequential(*features[: taps[-1] + 1])
        for layer in self.features.modules():
            if "inplace" in vars(layer):
                vars(layer)["inplace"] = False  # it would write into the map of a tap before it

    def forward(self, picture: Float[Tensor, "b 3 H W"]) -> list[Float[Tensor, "b _c _h _w"]]:
        maps, x = [], picture
        for place, layer in enumerate(self.features):
            x = layer(x)
            if place in self.taps:
                maps.append(x)
        return maps
