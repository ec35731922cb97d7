"""Stateless randomness: every draw is a function of (seed, purpose, step or epoch, place), and of nothing else.

This file is the only source of random numbers. A draw for one sample does not know its batch, its process or what was
drawn before, so that resuming needs no generator state, and one process with a batch of 64 sees the same noise as two
with 32.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.func import _random as philox  # young and private: wrapped here and nowhere else

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): a bijection of 64 bits that spreads neighbours."""
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _root(seed: int, purpose: str, step: int) -> np.uint64:
    digest = hashlib.blake2b(f"{seed}/{purpose}/{step}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


@dataclass(frozen=True)
class Keys:
    """One key a sample; every method draws one row a key, always the same row for the same key.

    A second draw of the same kind from the same keys gives the same numbers: derive by :meth:`fold` first.
    """

    words: np.ndarray  # uint64 [b]
    device: torch.device = torch.device("cpu")

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, rows: slice) -> "Keys":
        return Keys(self.words[rows], self.device)

    def to(self, device: torch.device | str) -> "Keys":
        """The same keys, drawing on another device."""
        return Keys(self.words, torch.device(device))

    def fold(self, data: int | str) -> "Keys":
        """New keys that depend on these and on ``data``: a purpose, the number of a sampler's step."""
        return Keys(_mix(self.words ^ _root(0, str(data), 0)), self.device)

    def normal(self, shape: Sequence[int] = (), dtype: torch.dtype = torch.float32) -> Float[Tensor, "b ..."]:
        """N(0, 1), one block of ``shape`` a key."""
        out = torch.empty(len(self), *shape, dtype=dtype, device=self.device)
        return philox.normal_(self._philox_keys(out.ndim), out)

    def uniform(self, shape: Sequence[int] = (), dtype: torch.dtype = torch.float32) -> Float[Tensor, "b ..."]:
        """U[0, 1), one block of ``shape`` a key."""
        out = torch.empty(len(self), *shape, dtype=dtype, device=self.device)
        return philox.uniform_(self._philox_keys(out.ndim), out)

    def integers(self, high: int, shape: Sequence[int] = ()) -> Int64[Tensor, "b ..."]:
        """Uniform on 0..high-1."""
        return (self.uniform(shape, dtype=torch.float64) * high).long()

    def bernoulli(self, probability: float) -> Bool[Tensor, " b"]:
        """True with ``probability``, one a key."""
        return self.uniform() < probability

    def _philox_keys(self, ndim: int) -> Tensor:
        pairs = np.stack([self.words, np.zeros_like(self.words)], axis=-1)  # (seed, offset)
        moved = torch.from_numpy(pairs).to(self.device, non_blocking=True)  # else the host would wait for a GPU
        return moved.view(-1, *[1] * (ndim - 1), 2)


def keys(*, seed: int, purpose: str, step: int = 0, places: Iterable[int] | np.ndarray | Tensor) -> Keys:
    """One key for each of ``places``: places in the global batch, or indices in a data set.

    ``step`` is the optimizer step or the epoch, ``purpose`` a word such as ``"noise"`` that keeps draws apart.
    """
    if isinstance(places, Tensor):
        places = places.cpu().numpy()
    places = np.fromiter(places, dtype=np.int64) if not isinstance(places, np.ndarray) else places
    return Keys(_mix(_mix(places.astype(np.uint64)) ^ _root(seed, purpose, step)))


def permutation(n: int, *, seed: int, purpose: str, step: int = 0) -> np.ndarray:
    """A random order of 0..n-1, a function of its arguments alone: ``step`` is the epoch."""
    return np.random.Generator(np.random.Philox(key=int(_root(seed, purpose, step)))).permutation(n)


def module_seed(*, seed: int, purpose: str, step: int = 0, rank: int = 0) -> int:
    """A seed for what a network draws by itself (initial weights, dropout), in 0..2**63-1."""
    return int(_root(seed, f"{purpose}/{rank}", step) >> np.uint64(1))
