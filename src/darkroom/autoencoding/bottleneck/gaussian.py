"""The variational bottleneck: the encoder answers the mean and log variance of a diagonal Gaussian over latents."""

from jaxtyping import Float
from torch import Tensor, nn

from darkroom.contracts import Posterior

LOG_VARIANCE_RANGE = (-30.0, 20.0)  # std in 3e-7 .. 2e4: nothing over- or underflows in float32


class Gaussian(nn.Module):
    """Moments to a posterior; the first half of the channels is the mean, the second the log variance."""

    def latent_channels(self, encoder_channels: int) -> int:
        """Raises ValueError where the channels do not fall into two halves."""
        if encoder_channels % 2:
            raise ValueError(f"encoder.out_channels={encoder_channels} is odd; a mean and a log variance want it even")
        return encoder_channels // 2

    def forward(self, moments: Float[Tensor, "b c2 h w"]) -> Posterior:
        # float32 whatever the network ran in: a log variance that it rounded to bfloat16 need not be rounded once more
        mean, log_variance = moments.float().chunk(2, dim=1)
        return Posterior(mean=mean, std=(0.5 * log_variance.clamp(*LOG_VARIANCE_RANGE)).exp())


def kl_to_standard_normal(posterior: Posterior) -> Float[Tensor, " b"]:
    """KL(posterior, N(0, I)) in nats of a picture, as the **mean** over its latent's elements.

    The original's sums (weight 1e-6 beside errors summed over a picture's elements, Rombach et al. 2022) are this mean
    beside errors averaged over a picture under the weight 1e-6 * latent elements / picture elements, whatever the
    resolution: 2.08e-8 for f8 with 4 channels, 6.25e-8 for f4 with 3, 2.08e-8 for f16 with 16. A posterior of std 0 is
    a point, and infinitely far.
    """
    mean, std = posterior.mean, posterior.std
    return (0.5 * (mean.square() + std.square() - 1.0) - std.log()).flatten(1).mean(dim=1)
