"""From pictures to features, with all that decides which numbers they are (evaluation.md 2)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from darkroom.data.reading import in_threads
from darkroom.data.transforms import square
from darkroom.metrics.inference import exact_float32, micro_batches
from darkroom.metrics.preparation import pillow
from darkroom.metrics.protocol import recorded
from darkroom.metrics.weights_file import fill

MICRO_BATCH = 32  # pictures at once, always: float32 products round differently by batch
ASKED: Mapping[str, Any] = {  # how every network is, as its protocol tells
    "input": "RGB uint8, rounded",
    "dtype": "float32",
    "tf32": False,
    "autocast": False,
    "deterministic": True,
    "micro_batch": MICRO_BATCH,
}


@runtime_checkable
class FeatureExtractor(Protocol):
    """Pictures to features: ``prepare`` takes one of any size, a call takes many that are prepared."""

    name: str  # distances are named after it, but for those that are its own (darkroom.metrics.titles)

    def prepare(self, picture: UInt8[Tensor, "3 H W"]) -> Tensor: ...

    def __call__(self, prepared: Tensor) -> Float[Tensor, "b d"]: ...  # float32, on the CPU

    def to(self, device: torch.device) -> "FeatureExtractor": ...

    @property
    def protocol(self) -> dict[str, Any]: ...  # what another would have to share for its numbers to be these


def features(extractor: FeatureExtractor, batches: Iterable[UInt8[Tensor, "_ 3 _ _"]]) -> Float[Tensor, "n d"]:
    """Of all pictures, in order."""
    return torch.cat(
        [extractor(torch.stack(list(in_threads(extractor.prepare, list(batch.cpu()))))) for batch in batches]
    )


def in_micro_batches(
    network: Callable[[Tensor], Tensor], prepared: Tensor, device: torch.device
) -> Float[Tensor, "b d"]:
    """What ``network`` makes of prepared pictures on ``device``; the same for a picture whatever comes beside it."""
    with exact_float32(device):
        return torch.cat([network(rows.to(device))[:kept].cpu() for rows, kept in micro_batches(prepared, MICRO_BATCH)])


_Asked = TypeVar("_Asked", bound="Asked")


class Asked:
    """A frozen network that is asked in micro-batches, on the device where it was put."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval().requires_grad_(False)
        self._device = torch.device("cpu")

    def __call__(self, prepared: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Float32, on the CPU."""
        return in_micro_batches(self._network, prepared, self._device)

    def to(self: _Asked, device: torch.device) -> _Asked:
        """Itself, computing on ``device``."""
        self._network.to(device)
        self._device = device
        return self


class Extractor:
    """A frozen network with its weights and its way to prepare a picture.

    Args:
        name: a distance is named after it.
        network: makes the one from normalised pictures [b, 3, size, size] to features [b, d]; a partial, since its
            arguments, such as the layer, decide the features as the weights do, and so belong to the protocol.
        weights: a file of safetensors or a state dict, whose names are the network's; names that it lacks the network
            for (a classifier beside a trunk) are left out.
        size: pixels of a side; a picture is scaled by its shorter one and cropped in the middle.
        mean, std: of the channels in 0..1, to be subtracted and divided by.

    Raises FileNotFoundError or ValueError in one line for a file that is not there, or of another network, and
    ValueError for a network that is built already.
    """

    def __init__(
        self,
        *,
        name: str,
        network: Callable[[], nn.Module],
        weights: str,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        if isinstance(network, nn.Module):
            raise ValueError(
                "extractor.network: is built already, so that nothing tells its arguments; give it _partial_: true"
            )
        self.name, self.size = name, size
        self._mean, self._std = (torch.tensor(list(each)).view(1, 3, 1, 1) for each in (mean, std))
        self._recorded = recorded(network)
        self._network = network().eval().requires_grad_(False)
        self.hash = fill(self._network, Path(weights), key="extractor.weights")

    def prepare(self, picture: UInt8[Tensor, "3 H W"]) -> UInt8[Tensor, "3 s s"]:
        """The centre square in ``size`` pixels."""
        return square(pillow(picture), self.size)

    def __call__(self, prepared: UInt8[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        """Float32, on the CPU."""
        return in_micro_batches(lambda rows: self._network(self._normalised(rows)), prepared, self._mean.device)

    def to(self, device: torch.device) -> "Extractor":
        """Itself, computing on ``device``."""
        self._network.to(device)
        self._mean, self._std = self._mean.to(device), self._std.to(device)
        return self

    @property
    def protocol(self) -> dict[str, Any]:
        """What another extractor would have to share for its numbers to be these."""
        preparation = {"size": self.size, "mean": self._mean.flatten().tolist(), "std": self._std.flatten().tolist()}
        resize = {"resize": "Pillow bicubic, antialiased, of the centre square"}
        network = {"network": self._recorded, "weights": self.hash}
        return {"name": self.name, **network, **preparation, **resize, **ASKED}

    def _normalised(self, pictures: UInt8[Tensor, "b 3 s s"]) -> Float[Tensor, "b 3 s s"]:
        return (pictures.float() / 255 - self._mean) / self._std
