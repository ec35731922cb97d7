"""The learned perceptual distance LPIPS v0.1 (Zhang et al. 2018, equation 1)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darkroom.networks.pretrained.tapped import TappedTrunk

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of pictures in -1..1; what v0.0 lacked
_NORM_EPS = 1e-10
_PROBE = 64  # pixels: every trunk of the metric has a map left at its last tap


class PerceptualDistance(nn.Module):
    """Weighted squared differences of unit-length features at each tap, averaged over places and summed over taps.

    Untrained as built. ``trunk`` has torchvision's names of weights and ``linear`` the metric's own,
    ``lin0.model.1.weight`` and on; their dropout, which only their training wants, is not here.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, model: str, taps: Sequence[int]) -> None:
        """``taps`` as :class:`TappedTrunk` has them."""
        super().__init__()
        self.trunk = TappedTrunk(model, taps)
        with torch.no_grad():
            widths = [each.shape[1] for each in self.trunk(torch.zeros(1, 3, _PROBE, _PROBE))]
        self.linear = nn.ModuleDict({f"lin{k}": _Weighting(width) for k, width in enumerate(widths)})
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1), persistent=False)

    def forward(self, picture: Float[Tensor, "b 3 H W"], other: Float[Tensor, "b 3 H W"]) -> Float[Tensor, " b"]:
        """The distance of each pair of pictures, in -1..1."""
        maps = self.trunk((torch.cat([picture, other]) - self.shift) / self.scale)
        halves = [(each / (each.norm(dim=1, keepdim=True) + _NORM_EPS)).chunk(2) for each in maps]
        parts = [weigh((x - y).square()) for weigh, (x, y) in zip(self.linear.values(), halves, strict=True)]
        return torch.stack([part.mean(dim=(1, 2, 3)) for part in parts]).sum(dim=0)


class _Weighting(nn.Module):
    """One weight a channel, none of them negative when trained, at the place where the metric's files have it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Identity(), nn.Conv2d(width, 1, 1, bias=False))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
        return self.model(x)
