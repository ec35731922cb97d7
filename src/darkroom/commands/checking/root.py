"""The root keys of each command, their types and least values: the only part of a config with a schema of its own.

Every other key belongs to a node, whose schema is the signature of its ``_target_``. These classes are read as source
(``darkroom.commands.checking.signatures``) and never built. Meaning and defaults stand in ``conf/<command>.yaml``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass
class Train:
    """Root keys of train.py besides its groups."""

    seed: int
    resolution: int
    batch_size: int
    max_steps: int
    num_workers: int
    compile: bool
    experiment: str | None
    data_fingerprint: str | None
    resume: str | None
    init: str | None
    logs: str
    run_id: str
    packages: Sequence[str]


@dataclass
class Sample:
    """Root keys of sample.py besides its groups."""

    run: str
    prompt: str | None
    negative_prompt: str | None
    label: str | int | None
    n: int
    seed: int
    steps: int | None
    guidance_scale: float | None
    ema: float | None
    checkpoint: Literal["latest", "best"]
    batch_size: int
    out: str | None
    packages: Sequence[str]


@dataclass
class Evaluate:
    """Root keys of evaluate.py besides its groups."""

    run: str | None
    generated: str | None
    reference: str | None
    training: str | None
    held_out: str | None
    memorisation: bool
    compare: Sequence[str]
    probe: Sequence[str]
    statistics_out: str | None
    cache: str
    metrics: Sequence[str] | None
    kid_size: int | None
    n_reference: int
    n: int
    seed: int
    steps: int | None
    guidance_scale: float | None
    ema: float | None
    checkpoint: Literal["latest", "best"]
    batch_size: int
    devices: int
    out: str | None
    packages: Sequence[str]


LEAST = {
    "seed": 0,
    "resolution": 16,  # SSIM, which every validation of an autoencoder measures, looks through windows of 11 pixels
    "batch_size": 1,
    "devices": 1,
    "max_steps": 1,
    "num_workers": 0,
    "n": 1,
    "steps": 1,
    "kid_size": 2,
    "n_reference": 2,
    "trainer.accumulate_grad_batches": 1,
    "trainer.num_nodes": 1,
    "trainer.max_steps": 1,
    "trainer.val_check_interval": 1,
    "trainer.log_every_n_steps": 1,
    "data.train_size": 1,
    "data.validation_size": 1,
    "data.max_unreadable": 0,
    "lr_schedule.warmup_steps": 0,
    "data.cache_mb": 0,
    "sampler.num_steps": 1,
    "callback.finite.max_skipped": 0,
    "callback.first_batch.n": 1,
    "callback.checkpoints.every_n_steps": 1,
    "callback.checkpoints.keep": 1,
    "callback.ema.every_n_steps": 1,
    "callback.snapshots.count": 0,
    "callback.snapshots.every_n_steps": 1,
    "callback.reconstructions.n": 1,
    "callback.reconstruction_distance.every_n_validations": 1,
    "callback.distribution.n": 2,  # a distance wants two pictures of each
    "callback.distribution.n_reference": 2,
    "callback.distribution.kid_size": 2,
    "callback.distribution.batch_size": 1,
    "callback.distribution.every_n_validations": 1,
    "callback.samples.n": 1,
}

SHARES = ("sampler.sampler.eta", "stage.condition_dropout", "stage.augmentation.share")  # from 0 to 1
