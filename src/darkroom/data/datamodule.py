"""Any data set that answers visits, as Lightning wants its data."""

from typing import Any

import torch
from lightning import LightningDataModule
from torch.utils.data import Sampler

from darkroom.contracts import Visit
from darkroom.data.loader import VisitedDataset, VisitLoader
from darkroom.data.sampler import SequentialSampler, VisitSampler, micro_batch_size


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

    def setup(self, stage: str) -> None:  # noqa: ARG002
        self.refuse_few(self._trainer.world_size)

    def refuse_few(self, processes: int) -> None:
        """Raises ValueError where there are fewer validation pictures than ``processes``.

        One without any would miss the others' sums. The loader would tell when the first validation begins.
        """
        if len(self.validation) < processes:
            raise ValueError(
                f"the validation split has {len(self.validation)} pictures for {processes} processes; "
                "keep more of them out of training, or set trainer.devices lower"
            )

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
        """Micro-batches as large as those of training, which fit the memory."""
        trainer = self._trainer
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
