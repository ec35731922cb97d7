"""Which samples and which real pictures a distance is taken of, the same for any number of processes."""

from dataclasses import dataclass
from typing import Any

from darkroom.contracts import PictureDataset, PictureSource, Prompts
from darkroom.data.prompts import PromptTable, names_hash
from darkroom.keys import Keys, keys, permutation


@dataclass(frozen=True)
class SampleSet:
    """``n`` samples under conditions of the training, as often as they occur, against ``n_reference`` pictures."""

    n: int
    n_reference: int
    seed: int = 0

    def prompts(self, training: PictureDataset) -> Prompts:
        """Sample i is drawn under the condition of the i-th picture of a random order, which begins anew at its end."""
        order = permutation(len(training), seed=self.seed, purpose="conditions of samples")
        return PromptTable(training)[[int(order[i % len(order)]) for i in range(self.n)]]

    def keys(self) -> Keys:
        """One a sample."""
        return keys(seed=self.seed, purpose="distribution", places=range(self.n))

    def reference(self, training: PictureDataset) -> list[int]:
        """Places of the pictures to be held against: a random choice, the same for every seed of the samples."""
        order = permutation(len(training), seed=0, purpose="reference")
        return sorted(order[: self.n_reference].tolist())

    def reference_prompts(self, training: PictureDataset) -> Prompts:
        """What those pictures show."""
        return PromptTable(training)[self.reference(training)]

    def facts(self, source: PictureSource) -> dict[str, Any]:
        """What says in a protocol which pictures the reference is of."""
        size = min(self.n_reference, len(source.split("train")))
        return {"data": source.fingerprint, "split": "train", "pictures": size}


def conditions(training: PictureDataset) -> dict[str, Any]:
    """What says in a protocol what samples were asked for; whatever their seed, as for distances.

    Apart from the facts of the reference, whose features are the same under other names.
    """
    return {"conditions": {"of": "the training, as often as they occur", "names": names_hash(training)}}


def dealt(n: int, size: int, *, rank: int = 0, world_size: int = 1) -> list[range]:
    """Places 0..n-1 in batches, dealt to processes in turn: a batch is the same whoever computes it.

    At most ``size`` in a batch, and fewer where else a process would get none. Raises ValueError for more processes
    than places.
    """
    if n < world_size:
        raise ValueError(f"{n} pictures are too few for {world_size} processes; give at least one to each")
    size = min(size, n // world_size)
    return [range(start, min(start + size, n)) for start in range(rank * size, n, world_size * size)]
