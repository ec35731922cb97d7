"""An autoencoder as a trainable module: encoder, bottleneck, decoder."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from darkroom.contracts import LatentSpec, Posterior
from darkroom.keys import Keys


@runtime_checkable
class PictureEncoder(Protocol):
    """Picture to the numbers a bottleneck makes a latent of; a torch module."""

    out_channels: int
    factor: int

    def __call__(self, picture: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b m h w"]: ...


@runtime_checkable
class PictureDecoder(Protocol):
    """Latent to picture; a torch module."""

    latent_channels: int
    factor: int

    def __call__(self, latent: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]: ...


@runtime_checkable
class Bottleneck(Protocol):
    """What lies between encoder and decoder; also a torch module."""

    def latent_channels(self, encoder_channels: int) -> int: ...

    def __call__(self, moments: Float[Tensor, "b m h w"]) -> Posterior: ...


class Autoencoder(nn.Module):
    """Pictures in [-1, 1] to posteriors over raw latents and back; normalising is the artifact's work.

    Raises ValueError where the three parts do not fit one another.
    """

    def __init__(self, *, encoder: PictureEncoder, bottleneck: Bottleneck, decoder: PictureDecoder) -> None:
        super().__init__()
        channels = bottleneck.latent_channels(encoder.out_channels)
        if channels != decoder.latent_channels:
            raise ValueError(
                f"autoencoder.decoder.latent_channels={decoder.latent_channels}, but encoder.out_channels="
                f"{encoder.out_channels} through {type(bottleneck).__name__} makes {channels}; set one to match"
            )
        if encoder.factor != decoder.factor:
            raise ValueError(
                f"autoencoder.encoder shrinks by {encoder.factor}, autoencoder.decoder grows by {decoder.factor}; "
                "give both as many multipliers and the same stem_factor"
            )
        self.encoder = encoder
        self.bottleneck = bottleneck
        self.decoder = decoder

    @property
    def factor(self) -> int:
        """How much smaller a latent's side is than the picture's."""
        return self.encoder.factor

    @property
    def latent_channels(self) -> int:
        return self.decoder.latent_channels

    def latent_spec(self, hash: str = "") -> LatentSpec:
        """What it makes of pictures; ``hash`` is that of the artifact, where there is one."""
        return LatentSpec(channels=self.latent_channels, factor=self.factor, hash=hash)

    def encode(self, picture: Float[Tensor, "b 3 H W"]) -> Posterior:
        """Raises ValueError where a side is not a multiple of ``factor``."""
        height, width = picture.shape[-2:]
        if height % self.factor or width % self.factor:
            raise ValueError(
                f"a picture of {height} x {width} does not divide by the autoencoder's factor {self.factor}"
            )
        return self.bottleneck(self.encoder(picture))

    def decode(self, latent: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]:
        return self.decoder(latent)

    def forward(
        self, picture: Float[Tensor, "b 3 H W"], keys: Keys | None = None
    ) -> tuple[Float[Tensor, "b 3 H W"], Posterior]:
        """Reconstruction and posterior: of a draw by ``keys`` (training), of the mean without (validation)."""
        posterior = self.encode(picture)
        return self.decode(posterior.mean if keys is None else posterior.sample(keys)), posterior
