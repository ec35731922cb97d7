"""How far a reconstruction is from its picture, element by element."""

from jaxtyping import Float
from torch import Tensor, nn

from darkroom.contracts import Posterior


class L1(nn.Module):
    """Mean absolute error over all elements: drawn to medians, so edges stay sharper than under squares."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(
        self,
        picture: Float[Tensor, "b 3 H W"],
        reconstruction: Float[Tensor, "b 3 H W"],
        posterior: Posterior,  # noqa: ARG002  terms share a signature
    ) -> Float[Tensor, ""]:
        return (reconstruction.float() - picture).abs().mean()


class L2(nn.Module):
    """Mean squared error over all elements: drawn to means, and what PSNR measures."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(
        self,
        picture: Float[Tensor, "b 3 H W"],
        reconstruction: Float[Tensor, "b 3 H W"],
        posterior: Posterior,  # noqa: ARG002  terms share a signature
    ) -> Float[Tensor, ""]:
        return (reconstruction.float() - picture).square().mean()
