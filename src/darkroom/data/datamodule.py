"""Any data set that answers visits, as Lightning wants its data."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Sampler

from darkroom.contracts import Batch, LatentBatch, Visit
from darkroom.data.sampler import SequentialSampler, VisitSampler, micro_batch_size


@runtime_checkable
class VisitedDataset(Protocol):
    """What a loader asks of pictures and of cached latents alike."""

    def __len__(self) -> int: ...

    def __getitems__(self, visits: Sequence[Visit]) -> Batch | LatentBatch: ...


class VisitLoader(DataLoader):
    """A loader whose batches come ready from the data set.

    Its position follows from the step, which Lightning keeps already; the two empty methods tell Lightning that this
    loader can go on in the middle of an epoch. An input error in a worker process is raised as it is: torch would wrap
    its line in the worker's traceback.
    """

    def __init__(
        self, dataset: VisitedDataset, visits: Sampler[list[Visit]], *, num_workers: int = 0, pin_memory: bool = False
    ):
        super().__init__(
            _Answering(dataset),  # type: ignore[arg-type]  # torch asks for __getitems__ but does not declare it
            batch_sampler=visits,
            num_workers=num_workers,
            collate_fn=_as_it_is,
            worker_init_fn=_leave_the_group,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
            generator=torch.Generator(),  # else every iterator draws a seed from the global generator
        )

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch names a class of its own
        for batch in super().__iter__():
            if isinstance(batch, _Fault):
                raise batch.error
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Nothing: see the class."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing: see the class."""


@dataclass(frozen=True)
class _Fault:
    """What a data set raised in place of a batch."""

    error: ValueError | OSError


@dataclass(frozen=True)
class _Answering:
    """A data set whose input errors come as answers."""

    dataset: VisitedDataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, visits: Sequence[Visit]) -> Batch | LatentBatch | _Fault:
        try:
            return self.dataset.__getitems__(visits)
        except (ValueError, OSError) as error:
            return _Fault(error)


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_the_group(worker: int) -> None:  # noqa: ARG001  torch's signature
    """A signal to the trainer's whole group shall not reach a worker, which reads on until the trainer has saved.

    The trainer still ends it by its own signal, and torch's watchdog where the trainer has died.
    """
    os.setpgid(0, 0)


class DataModule(LightningDataModule):
    """Training visits from the step that the trainer stands at, and each validation picture once.

    Steps, processes and accumulation are the trainer's; give it ``use_distributed_sampler=False``. With
    ``overfit_batches`` of k times as many micro-batches as a step takes, the first k batches come again and again.

    Args:
        batch_size: global, over all processes and accumulated micro-batches.
        seed: of the order of the pictures.
        num_workers: processes that read; 0 reads in the training process.
    """

    def __init__(
        self,
        train: VisitedDataset,
        validation: VisitedDataset,
        *,
        batch_size: int,
        seed: int,
        num_workers: int = 0,
    ):
        super().__init__()
        self.train, self.validation = train, validation
        self.batch_size, self.seed, self.num_workers = batch_size, seed, num_workers

    def train_dataloader(self) -> VisitLoader:
        """Raises ValueError where ``batch_size`` does not divide among processes and accumulation."""
        trainer = self._trainer
        overfit = trainer.overfit_batches
        visits = VisitSampler(
            len(self.train),
            batch_size=self.batch_size,
            seed=self.seed,
            max_steps=trainer.max_steps,
            start_step=lambda: trainer.global_step,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            accumulate=trainer.accumulate_grad_batches,
            repeat=overfit // trainer.accumulate_grad_batches if isinstance(overfit, int) else 0,
        )
        return self._loader(self.train, visits)

    def val_dataloader(self) -> VisitLoader:
        """Micro-batches as large as those of training, which fit the memory.

        Raises ValueError where there are fewer pictures than processes: one without any would miss the others' sums.
        """
        trainer = self._trainer
        if len(self.validation) < trainer.world_size:
            raise ValueError(
                f"the validation split has {len(self.validation)} pictures for {trainer.world_size} processes; "
                "keep more of them out of training, or set trainer.devices lower"
            )
        size = micro_batch_size(
            self.batch_size, world_size=trainer.world_size, accumulate=trainer.accumulate_grad_batches
        )
        visits = SequentialSampler(
            len(self.validation), batch_size=size, rank=trainer.global_rank, world_size=trainer.world_size
        )
        return self._loader(self.validation, visits)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:  # noqa: ARG002
        """The batch on the device; from pinned memory the copy runs beside the computation."""
        return batch.to(device, non_blocking=device.type == "cuda")

    def _loader(self, dataset: VisitedDataset, visits: Sampler[list[Visit]]) -> VisitLoader:
        pin = self._trainer.strategy.root_device.type == "cuda"
        return VisitLoader(dataset, visits, num_workers=self.num_workers, pin_memory=pin)

    @property
    def _trainer(self) -> Any:
        if self.trainer is None:
            raise RuntimeError("the loaders ask the trainer for steps and processes: pass this to trainer.fit")
        return self.trainer
