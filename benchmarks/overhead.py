"""What the framework costs: a training as train.py runs it against a bare loop of the same network, step by step.

python benchmarks/overhead.py [--steps 60] [--runs 5] [--experiment shapes_latent_diffusion] [--compile]

The training has everything on (W&B offline, EMA, progress bar, gradient clipping, logging every 10 steps); the bare
loop is loss, backward pass, clipping and optimizer over batches that lie ready. Runs alternate, and the last line shows
medians of their ratios: of wall time, and of the process's CPU time, which other work on the machine disturbs less.
Beside them stands the share of a step in which the training waits for its cached latents. The first stage is untrained,
of the demo's size.
"""

import argparse
import csv
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Callback, LightningModule, Trainer
from omegaconf import DictConfig, OmegaConf, open_dict

from darkroom.autoencoding.first_stage import write_artifact
from darkroom.autoencoding.latent_statistics import LatentStatistics
from darkroom.build import build
from darkroom.commands import fit
from darkroom.contracts import LatentBatch, Posterior
from darkroom.data.latents import LatentDataset
from darkroom.data.sampler import VisitSampler
from darkroom.runs.folder import Run
from darkroom.stages.latent_diffusion import LatentDiffusionStage

CONF = Path(__file__).resolve().parents[1] / "conf"
WARM = 10  # steps before the clock: memory is touched, FLOPs are counted


def composed(folder: Path, *overrides: str) -> DictConfig:
    """A config of conf/, to be run in ``folder``."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"run_id={folder.name}", *overrides], return_hydra_config=True)
    with open_dict(config):
        config.hydra.runtime.output_dir = str(folder)
        HydraConfig.instance().set_config(config)
        del config.hydra
    return config


def untrained_artifact(folder: Path) -> Path:
    """The demo's autoencoder as it begins, with statistics that leave latents as they are."""
    config = composed(folder, "experiment=shapes_autoencoder", "max_steps=1")
    autoencoder = build(config.autoencoder)
    statistics = LatentStatistics(autoencoder.latent_channels)
    place = torch.ones(2, autoencoder.latent_channels, 1, 1)
    statistics.update(Posterior(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1) * place, 0 * place))
    write_artifact(
        folder / "first_stage",
        config=OmegaConf.to_container(config.autoencoder, resolve=True),  # type: ignore[arg-type]
        autoencoder=autoencoder,
        weights=autoencoder.state_dict(),
        statistics=statistics,
        resolution=config.resolution,
        fingerprint="",
        step=0,
    )
    return folder


class Clock(Callback):
    """Wall and CPU seconds from step WARM on."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:  # noqa: ARG002
        if trainer.global_step == WARM:
            self._start = time.perf_counter(), time.process_time()
        if trainer.global_step == trainer.max_steps:
            self.wall, self.cpu = (now - then for now, then in zip(_now(), self._start, strict=True))


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def framework(config: DictConfig) -> tuple[float, float]:
    """Seconds of a training as train.py runs it."""
    clock, callbacks = Clock(), fit.callbacks
    fit.callbacks = lambda *arguments: [*callbacks(*arguments), clock]
    try:
        fit.fit(config, build(config.data))
    finally:
        fit.callbacks = callbacks
    return clock.wall, clock.cpu


def bare(stage: LatentDiffusionStage, batches: list[LatentBatch], precision: str) -> tuple[float, float]:
    """Seconds of loss, backward pass, clipping and optimizer over the same batches."""
    optimizer = stage.configure_optimizers()["optimizer"]
    start = _now()
    for step, batch in enumerate(batches):
        if step == WARM:
            start = _now()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision.startswith("bf16")):
            loss = stage.training_losses(batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(stage.parameters(), 1.0)
        optimizer.step()
    wall, cpu = (now - then for now, then in zip(_now(), start, strict=True))
    return wall, cpu


def prepared(run: Run, latents: Path, steps: int) -> tuple[LatentDiffusionStage, list[LatentBatch]]:
    """The stage of a finished run, and the batches that it saw."""
    config = run.config
    stage: LatentDiffusionStage = build(config.stage)
    if config.compile:
        stage.compile_networks()
    pictures = build(config.data).split("train")
    sizes = {folder: sum(1 for _ in folder.iterdir()) for folder in latents.iterdir()}
    cached = LatentDataset(max(sizes, key=lambda folder: sizes[folder]), pictures)
    visits = VisitSampler(len(cached), batch_size=config.batch_size, seed=config.seed, max_steps=steps)
    return stage, [cached.__getitems__(batch) for batch in visits]


def data_wait(run: Run) -> float:
    """The mean share of a step that is spent waiting for data."""
    with run.metrics.open() as file:
        shares = [float(row["speed/data_wait"]) for row in csv.DictReader(file) if row.get("speed/data_wait")]
    return statistics.mean(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--experiment", default="shapes_latent_diffusion")
    parser.add_argument("--compile", action="store_true", help="both, as the demo is with a compiler")
    options = parser.parse_args()
    os.environ["WANDB_MODE"] = "offline"
    with tempfile.TemporaryDirectory() as name:
        folder, waits, ratios = Path(name), [], []
        artifact = untrained_artifact(folder / "autoencoder")
        for number in range(options.runs):
            run = Run(folder / f"run-{number}")
            config = composed(
                run.path,
                f"experiment={options.experiment}",
                f"first_stage.path={artifact}",
                f"stage.latents={folder / 'latents'}",
                f"max_steps={options.steps}",
                "data.train_size=2048",
                "data.validation_size=64",
                "trainer.accelerator=cpu",
                f"compile={options.compile}",
            )
            whole = framework(config)
            stage, batches = prepared(run, folder / "latents", options.steps)
            loop = bare(stage, batches, run.config.trainer.precision)
            waits.append(data_wait(run))
            ratios.append([a / b - 1 for a, b in zip(whole, loop, strict=True)])
            steps = options.steps - WARM
            print(
                f"run {number}: framework {whole[0] / steps:.4f} s a step ({whole[1] / steps:.4f} of CPU), "
                f"bare {loop[0] / steps:.4f} ({loop[1] / steps:.4f})"
            )
    wall, cpu = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.runs} runs of {options.steps} steps")
    wait = statistics.median(waits)
    print(f"over a bare loop: {wall:+.1%} wall, {cpu:+.1%} CPU; {wait:.2%} of a step goes into waiting for data")


if __name__ == "__main__":
    main()
