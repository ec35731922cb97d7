"""From pictures to features, with all that decides which numbers they are (evaluation.md 2)."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from darkroom.data.reading import in_threads
from darkroom.data.transforms import square

MICRO_BATCH = 32  # pictures at once, always: float32 products round differently by batch


@runtime_checkable
class FeatureExtractor(Protocol):
    """Pictures to features: ``prepare`` takes one of any size, a call takes many that are prepared."""

    name: str  # a distance is named after it: fd_<name>

    def prepare(self, picture: UInt8[Tensor, "3 H W"]) -> Tensor: ...

    def __call__(self, prepared: Tensor) -> Float[Tensor, "b d"]: ...  # float32, on the CPU

    def to(self, device: torch.device) -> "FeatureExtractor": ...

    @property
    def protocol(self) -> dict[str, Any]: ...  # what another would have to share for its numbers to be these


def features(extractor: FeatureExtractor, batches: Iterable[UInt8[Tensor, "b 3 H W"]]) -> Float[Tensor, "n d"]:
    """Of all pictures, in order."""
    return torch.cat([extractor(torch.stack(list(in_threads(extractor.prepare, batch.cpu())))) for batch in batches])


class Extractor:
    """A frozen network with its weights and its way to prepare a picture.

    Args:
        name: a distance is named after it.
        network: from normalised pictures [b, 3, size, size] to features [b, d].
        weights: a file of safetensors or a state dict, whose names are the network's; names that it lacks the network
            for (a classifier beside a trunk) are left out.
        size: pixels of a side; a picture is scaled by its shorter one and cropped in the middle.
        mean, std: of the channels in 0..1, to be subtracted and divided by.
    """

    def __init__(
        self, *, name: str, network: nn.Module, weights: str, size: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self.name, self.size = name, size
        self._mean, self._std = (torch.tensor(list(each)).view(1, 3, 1, 1) for each in (mean, std))
        path = Path(weights)
        self._network = network.eval().requires_grad_(False)
        _fill(self._network, path)
        with path.open("rb") as file:
            self.hash = hashlib.file_digest(file, "sha256").hexdigest()

    def prepare(self, picture: UInt8[Tensor, "3 H W"]) -> UInt8[Tensor, "3 s s"]:
        """The centre square in ``size`` pixels."""
        return square(Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()), self.size)

    @torch.inference_mode()
    def __call__(self, prepared: UInt8[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        """Features of prepared pictures, float32, on the CPU; the same for a picture whatever comes beside it."""
        parts = [self._network(self._normalised(rows))[:kept].cpu() for rows, kept in micro_batches(prepared)]
        return torch.cat(parts)

    def to(self, device: torch.device) -> "Extractor":
        """Itself, computing on ``device``."""
        self._network.to(device)
        self._mean, self._std = self._mean.to(device), self._std.to(device)
        return self

    @property
    def protocol(self) -> dict[str, Any]:
        """What another extractor would have to share for its numbers to be these."""
        preparation = {"size": self.size, "mean": self._mean.flatten().tolist(), "std": self._std.flatten().tolist()}
        fixed = {"resize": "Pillow bicubic, antialiased, of the centre square", "micro_batch": MICRO_BATCH}
        return {"name": self.name, "weights": self.hash, "dtype": "float32", **preparation, **fixed}

    def _normalised(self, pictures: UInt8[Tensor, "b 3 s s"]) -> Float[Tensor, "b 3 s s"]:
        return (pictures.to(self._mean.device).float() / 255 - self._mean) / self._std


def micro_batches(pictures: Tensor) -> Iterator[tuple[Tensor, int]]:
    """Batches of one size, the last filled up with what it has, and how many rows of each count."""
    for rows in pictures.split(MICRO_BATCH):
        filled = rows[torch.arange(MICRO_BATCH) % len(rows)]
        yield filled, len(rows)


def _fill(network: nn.Module, path: Path) -> None:
    """Loads what the network has a place for. Raises ValueError for a file that is of another network."""
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    except Exception as error:  # safetensors' and pickle's readers have errors of their own
        raise ValueError(f"extractor.weights={path}: cannot be read ({' '.join(str(error).split())[:200]})") from error
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    wrong = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    if missing or wrong:
        what = f"has no {missing[0]}" if missing else f"has another shape of {wrong[0]}"
        raise ValueError(f"extractor.weights={path}: {what}, so it is of another network")
    network.load_state_dict(
        {name: state[name].to(wanted[name].dtype) for name in wanted if name in state}, strict=False
    )
