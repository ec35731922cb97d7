"""How far the posterior is from N(0, I)."""

from jaxtyping import Float
from torch import Tensor, nn

from darkroom.autoencoding.bottleneck.gaussian import kl_to_standard_normal
from darkroom.contracts import Posterior


class KL(nn.Module):
    """Mean over pictures and over a latent's elements; with ``sum_form``, its sum by the picture's elements instead.

    The original's weight, 1e-6, goes with the sum form: see :func:`kl_to_standard_normal` for what it is in the mean.
    """

    def __init__(self, weight: float, sum_form: bool = False) -> None:
        super().__init__()
        self.weight = weight
        self.sum_form = sum_form

    def forward(
        self,
        picture: Float[Tensor, "b 3 H W"],
        reconstruction: Float[Tensor, "b 3 H W"],  # noqa: ARG002  terms share a signature
        posterior: Posterior,
    ) -> Float[Tensor, ""]:
        mean = kl_to_standard_normal(posterior).mean()
        return mean * (posterior.mean[0].numel() / picture[0].numel()) if self.sum_form else mean
