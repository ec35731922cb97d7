"""The latent cache: every training picture's posterior, computed once, so that the second stage never runs the encoder.

    data/latents/<key>/00000-0.safetensors ...    mean and std of CHUNK pictures, one file a chunk and orientation, and
                                                  which picture each row shows: another where one cannot be read

The key is a hash over the artifact, the data and how it is read. A cache cut short goes on where it stopped: a file is
there as a whole or not at all.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64, Shaped
from safetensors import safe_open
from torch import Tensor

from darkroom.contracts import (
    FirstStage,
    LatentBatch,
    PictureDataset,
    PictureSource,
    Posterior,
    Visit,
    to_float,
)
from darkroom.data.prompts import PromptTable
from darkroom.data.split import columns
from darkroom.data.transforms import mirrored
from darkroom.files import reading, replacing, sweep
from darkroom.networks.state import save_tensors

CHUNK = 1024  # pictures a file
_ABANDONED = 3600  # seconds: a draft that is older belongs to nobody; other runs may fill the same folder
MICRO_BATCH = 64  # pictures encoded at once, for any training batch: float32 products round differently by batch
_VERSION = 2


def cache_folder(root: Path, first_stage: FirstStage, source: PictureSource, split: str, *, bf16: bool) -> Path:
    """Where the latents of ``split`` lie: another artifact, precision, picture or resolution is another folder."""
    facts = f"{_VERSION}/{first_stage.spec.hash}/{source.fingerprint}/{split}/{'bf16' if bf16 else 'float32'}"
    return root / hashlib.sha256(facts.encode()).hexdigest()[:20]


def cache_latents(
    first_stage: FirstStage,
    dataset: PictureDataset,
    folder: Path,
    *,
    device: torch.device,
    bf16: bool = False,
    rank: int = 0,
    world_size: int = 1,
    track: Callable[[Sequence[tuple[int, int]]], Iterable[tuple[int, int]]] = iter,
) -> None:
    """Encodes what ``folder`` lacks of ``dataset``; this process takes every ``world_size``-th chunk.

    Call a barrier before reading. ``bf16`` runs the encoder under autocast; ``track`` wraps the work to show its
    progress.
    """
    chunks = [(start, side) for start in range(0, len(dataset), CHUNK) for side in _sides(dataset)]
    mine = [chunk for chunk in chunks[rank::world_size] if not _file(folder, *chunk).exists()]
    if mine:
        sweep(folder, seconds=_ABANDONED)
    for start, side in track(mine):
        parts = [
            _encode(
                first_stage, dataset, range(i, min(i + MICRO_BATCH, start + CHUNK, len(dataset))), side, device, bf16
            )
            for i in range(start, min(start + CHUNK, len(dataset)), MICRO_BATCH)
        ]
        tensors = {name: torch.cat([part[name] for part in parts]).contiguous() for name in ("mean", "std", "shown")}
        with replacing(_file(folder, start, side)) as draft:
            save_tensors(tensors, draft)


class LatentDataset:
    """Cached posteriors in place of a split's pictures; answers visits as the pictures themselves would."""

    def __init__(self, folder: Path, pictures: PictureDataset):
        """Raises FileNotFoundError where the cache is incomplete, ValueError where a file of it is damaged."""
        self._folder, self._size, self._flip_seed = folder, len(pictures), pictures.flip_seed
        self._sides = _sides(pictures)
        shown = torch.cat(_read(folder, "shown", len(pictures), 0))
        others = (shown != torch.arange(len(pictures))).nonzero().flatten().tolist()
        self.prompts = PromptTable(pictures, {index: int(shown[index]) for index in others})
        _ = self._cached  # here, so that a damaged file is told at once

    def __len__(self) -> int:
        return self._size

    def __getstate__(self) -> dict[str, Any]:
        """A process that reads opens the cache itself: torch would copy all of it to shared memory."""
        return {name: value for name, value in self.__dict__.items() if name != "_cached"}

    def __getitems__(self, visits: Sequence[Visit]) -> LatentBatch:
        index, epoch, place = columns(visits)
        return LatentBatch(
            posterior=Posterior(*self._gather(index, self._sides_of(index, epoch))),
            index=index,
            epoch=epoch,
            place=place,
            step=visits[0].step,
            prompts=self.prompts[index.tolist()],
        )

    @cached_property
    def _cached(self) -> list[list[list[Tensor]]]:
        """The memory-mapped chunks of mean and std, in each orientation."""
        return [[_read(self._folder, name, self._size, side) for side in self._sides] for name in ("mean", "std")]

    def _sides_of(self, index: Int64[Tensor, " b"], epoch: Int64[Tensor, " b"]) -> list[int]:
        """Which orientation each visit sees: that which the picture itself would show."""
        if self._flip_seed is None:
            return [0] * len(index)
        return mirrored(index, epoch, seed=self._flip_seed).long().tolist()

    def _gather(self, index: Int64[Tensor, " b"], sides: list[int]) -> list[Float[Tensor, "b c h w"]]:
        """Rows out of the memory-mapped chunks: only the pages that they lie on are read."""
        places = [(side, *divmod(i, CHUNK)) for side, i in zip(sides, index.tolist(), strict=True)]
        return [torch.stack([part[s][chunk][row] for s, chunk, row in places]) for part in self._cached]


@torch.inference_mode()
def _encode(
    first_stage: FirstStage, dataset: PictureDataset, indices: range, side: int, device: torch.device, bf16: bool
) -> dict[str, Tensor]:
    picture = to_float(dataset.oriented(indices, mirrored=bool(side)).to(device))
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        posterior = first_stage.encode(picture)
    shown = torch.tensor([dataset.stand_ins.get(index, index) for index in indices])
    return {"mean": posterior.mean.float().cpu(), "std": posterior.std.float().cpu(), "shown": shown}


def _sides(dataset: PictureDataset) -> range:
    """The orientations in which training sees a picture: 1 is the mirrored one."""
    return range(1 if dataset.flip_seed is None else 2)


def _file(folder: Path, start: int, side: int) -> Path:
    return folder / f"{start // CHUNK:05d}-{side}.safetensors"


def _read(folder: Path, name: str, size: int, side: int) -> list[Shaped[Tensor, "n *shape"]]:  # noqa: F821 - axes
    chunks = []
    for start in range(0, size, CHUNK):
        path = _file(folder, start, side)
        if not path.exists():
            raise FileNotFoundError(f"the latent cache lacks {path}; delete {folder} to have it made anew")
        with reading(path, f"delete {folder} to have it made anew"), safe_open(path, framework="pt") as file:
            chunks.append(file.get_tensor(name))
    return chunks
