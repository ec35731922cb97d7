"""What the rooms of the house exchange: frozen dataclasses and Protocols.

Axes in shapes: b batch, c channels, h w latent height and width, H W picture height and width, n tokens, d width, v
width of a condition's vector, s channels of its map.
A picture is RGB; as uint8 it lies in 0..255, as float in [-1, 1]. t lies in [0, 1]; 0 is data, 1 is noise.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from darkroom.keys import Keys

Self = TypeVar("Self", bound="_Movable")


_VISIT = frozenset({"index", "epoch", "place"})  # keys are made of them on the host: a GPU's would be waited for


class _Movable:
    """A frozen dataclass whose tensors move together; Lightning calls ``to`` when it moves a batch."""

    _on_host: ClassVar[frozenset[str]] = frozenset()  # fields that stay where they are

    def to(self: Self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """A copy with every tensor on ``device``, but for those of the host."""
        return self._map(lambda part: part.to(device, non_blocking=non_blocking))

    def pin_memory(self: Self) -> Self:
        """A copy in page-locked memory; a DataLoader that was asked to pin calls this."""
        return self._map(lambda part: part.pin_memory())

    def share_memory_(self: Self) -> Self:
        """Moves every tensor to memory that processes share, in place; RuntimeError where there is not enough."""
        for part in (getattr(self, field.name) for field in fields(self)):  # type: ignore[arg-type]
            if isinstance(part, (Tensor, _Movable)):
                part.share_memory_()
        return self

    def _map(self: Self, function: Callable[[Any], Any]) -> Self:
        names = {field.name for field in fields(self)} - self._on_host  # type: ignore[arg-type]
        parts = {name: getattr(self, name) for name in names}
        moved = {name: function(part) for name, part in parts.items() if isinstance(part, (Tensor, _Movable))}
        return replace(self, **moved)  # type: ignore[type-var]


class Visit(NamedTuple):
    """One visit of training or validation to one picture."""

    index: int  # type: ignore[assignment]  # of the picture in its split; hides tuple.index, which nobody needs here
    epoch: int  # how often the split was passed before: augmentation and posterior draws depend on it
    step: int  # optimizer step
    place: int  # in the global batch of that step, the same for any number of processes


@dataclass(frozen=True)
class Prompts(_Movable):
    """Raw conditions of a batch, as the data or the user gives them; a conditioner takes what it can use."""

    label: Int64[Tensor, " b"] | None = None
    caption: tuple[str, ...] | None = None

    def __len__(self) -> int:
        if self.label is not None:
            return len(self.label)
        return len(self.caption or ())


@dataclass(frozen=True)
class Batch(_Movable):
    """Pictures as they come from a data set: uint8 over the wire, floats on the device."""

    _on_host: ClassVar[frozenset[str]] = _VISIT

    image: UInt8[Tensor, "b 3 H W"]
    index: Int64[Tensor, " b"]
    epoch: Int64[Tensor, " b"]
    place: Int64[Tensor, " b"]
    step: int
    prompts: Prompts

    def __len__(self) -> int:
        return len(self.index)

    @property
    def picture(self) -> Float[Tensor, "b 3 H W"]:
        """The pictures in [-1, 1]; :func:`to_uint8` is the exact inverse."""
        return to_float(self.image)


@dataclass(frozen=True)
class LatentBatch(_Movable):
    """Cached posteriors of the first stage, normalised, in place of the pictures."""

    _on_host: ClassVar[frozenset[str]] = _VISIT

    posterior: "Posterior"
    index: Int64[Tensor, " b"]
    epoch: Int64[Tensor, " b"]
    place: Int64[Tensor, " b"]
    step: int
    prompts: Prompts

    def __len__(self) -> int:
        return len(self.index)


def to_float(image: UInt8[Tensor, "*b 3 H W"]) -> Float[Tensor, "*b 3 H W"]:
    """0..255 to [-1, 1]."""
    return image.float().div_(127.5).sub_(1.0)


def to_uint8(picture: Float[Tensor, "*b 3 H W"]) -> UInt8[Tensor, "*b 3 H W"]:
    """[-1, 1] to 0..255, rounded and clamped (evaluation.md section 2): exact on what began as uint8."""
    return picture.float().mul(127.5).add_(128.0).clamp_(0, 255).floor_().to(torch.uint8)


@dataclass(frozen=True)
class Posterior(_Movable):
    """A diagonal Gaussian over latents. ``std`` zero everywhere is a point."""

    mean: Float[Tensor, "b c h w"]
    std: Float[Tensor, "b c h w"]

    def sample(self, keys: Keys) -> Float[Tensor, "b c h w"]:
        """One draw a picture, by key."""
        return self.mean + self.std * keys.to(self.mean.device).normal(self.mean.shape[1:])


@dataclass(frozen=True)
class LatentSpec:
    """What a denoiser and a sampler must know of a first stage."""

    channels: int
    factor: int  # a picture of H x W has latents of H/factor x W/factor
    hash: str  # of the artifact; "identity" where there is none

    def shape(self, resolution: int) -> tuple[int, int, int]:
        """The latent's shape for a square picture; raises ValueError where the factor does not divide it."""
        if resolution % self.factor:
            raise ValueError(f"resolution={resolution} is not a multiple of the first stage's factor {self.factor}")
        side = resolution // self.factor
        return (self.channels, side, side)


@runtime_checkable
class FirstStage(Protocol):
    """Pictures in [-1, 1] to normalised latents and back; frozen."""

    spec: LatentSpec

    def encode(self, picture: Float[Tensor, "b 3 H W"]) -> Posterior: ...

    def decode(self, latent: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]: ...


@dataclass(frozen=True)
class Condition(_Movable):
    """Whatever steers a sample, as numbers; each field may be absent."""

    tokens: Float[Tensor, "b n d"] | None = None
    mask: Bool[Tensor, "b n"] | None = None  # True where a token counts
    vector: Float[Tensor, "b v"] | None = None
    spatial: Float[Tensor, "b s h w"] | None = None


@dataclass(frozen=True)
class ConditionSpec:
    """Which fields of a :class:`Condition` are there, and how wide; 0 is absent."""

    tokens: int = 0
    vector: int = 0
    spatial: int = 0


@runtime_checkable
class Conditioner(Protocol):
    """Raw prompts to a :class:`Condition`; a torch module, trained jointly where it has weights that learn.

    Its class has a static ``completed(arguments, facts)``, which fills in what the data tells, or refuses the data
    (``darkroom.conditioning.facts``). One that reads text also has ``truncated(captions)`` and
    ``unknown_words(captions)``, which say what of the captions it does not take in, and ``context_length`` in tokens.
    """

    spec: ConditionSpec

    def __call__(self, prompts: Prompts, drop: Bool[Tensor, " b"] | None = None) -> Condition:
        """The condition; rows where ``drop`` is true get the null condition (classifier-free guidance)."""
        ...


@runtime_checkable
class Network(Protocol):
    """What a denoiser wraps: prediction of the parameterization's target."""

    def __call__(
        self, x: Float[Tensor, "b c h w"], time: Float[Tensor, " b"], condition: Condition
    ) -> Float[Tensor, "b c h w"]: ...


@runtime_checkable
class Schedule(Protocol):
    """x_t = alpha(t) x0 + sigma(t) eps. Takes tensors of any shape or floats, answers in kind, float64 kept."""

    def alpha(self, t: Tensor) -> Tensor: ...

    def sigma(self, t: Tensor) -> Tensor: ...

    def d_alpha(self, t: Tensor) -> Tensor: ...  # d alpha / dt

    def d_sigma(self, t: Tensor) -> Tensor: ...

    def time(self, ratio: Tensor) -> Tensor: ...  # the t at which sigma / alpha = ratio


@runtime_checkable
class Denoiser(Protocol):
    """(x_t, t) to x0_hat; t is a scalar tensor or one value a sample. Condition and guidance are already inside."""

    def __call__(self, x_t: Float[Tensor, "b ..."], t: Float[Tensor, "*b"]) -> Float[Tensor, "b ..."]: ...


@runtime_checkable
class FlowMap(Protocol):
    """(x_t, t, r) to x_r: what an average-velocity process gives instead of a denoiser."""

    def __call__(self, x_t: Float[Tensor, "b ..."], t: Tensor, r: Tensor) -> Float[Tensor, "b ..."]: ...


@runtime_checkable
class Sampler(Protocol):
    """From noise to a sample along falling times; knows a denoiser, a schedule and a grid, nothing else."""

    def __call__(
        self,
        denoiser: Denoiser,
        noise: Float[Tensor, "b ..."],
        schedule: Schedule,
        times: Float[Tensor, " times"],
        keys: Keys | None = None,
    ) -> Float[Tensor, "b ..."]: ...


@runtime_checkable
class PictureDataset(Protocol):
    """One split of a picture source: a map-style data set that answers a whole batch of visits at once."""

    captions: Sequence[str] | None
    labels: Sequence[int] | None
    flip_seed: int | None  # decides which visits see the picture mirrored, half of them; None: none does
    stand_ins: Mapping[int, int]  # of what cannot be read, as far as is known: the picture that is shown in its place

    def __len__(self) -> int: ...

    def __getitems__(self, visits: Sequence[Visit]) -> Batch: ...

    def oriented(self, indices: Sequence[int], mirrored: bool) -> UInt8[Tensor, "b 3 H W"]:
        """Pictures without random augmentation, in one orientation: what validation and the latent cache read."""
        ...


@runtime_checkable
class PictureSource(Protocol):
    """A set of pictures with its validation split; ``_target_`` of a yaml in conf/data."""

    resolution: int
    classes: tuple[str, ...] | None  # names, in the order of the labels
    fingerprint: str  # of the pictures and of how they are read; keys the latent cache

    def split(self, name: str) -> PictureDataset:
        """``"train"`` or ``"validation"``."""
        ...


class Verdicts(NamedTuple):
    """What a judge says of pictures against what was asked of them."""

    right: Bool[Tensor, "b attributes"]
    valid: Bool[Tensor, " b"]  # whether the picture could be read at all


@runtime_checkable
class Judged(PictureSource, Protocol):
    """A picture source whose pictures can be read exactly, so that samples can be held against their prompts."""

    attributes: tuple[str, ...]  # the columns of Verdicts.right
    judge_version: str  # changes with what it reads in a picture

    def challenge(self, kind: str, n: int, seed: int = 0) -> PictureDataset:
        """``n`` new pictures with captions: ``"seen"`` combinations, or ``"held_out"`` from training."""
        ...

    def kept_out(self, caption: str) -> str | None:
        """The kind of what a ``"held_out"`` caption asks for and training never shows, in a word; else None."""
        ...

    def judge(self, pictures: UInt8[Tensor, "b 3 H W"], captions: Sequence[str]) -> Verdicts: ...
