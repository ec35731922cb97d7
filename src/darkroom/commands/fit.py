"""What ``train.py`` does once its arguments are checked: build, train, say where to look."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from darkroom.autoencoding.first_stage import copy_artifact
from darkroom.build import build, escaped
from darkroom.callbacks.artifact import Artifact
from darkroom.callbacks.checkpoints import Counting, Refusing
from darkroom.callbacks.interruption import Interruption, Stopped
from darkroom.callbacks.last_validation import LastValidation
from darkroom.callbacks.position import Position
from darkroom.commands.console import console
from darkroom.commands.ending import close, is_done, say_done, say_stopped
from darkroom.commands.initialise import initialise
from darkroom.commands.loading import uncollected
from darkroom.commands.processes import joined, together
from darkroom.commands.settling import accelerator, completed, know_pictures, of_other_pictures, settled
from darkroom.commands.watched import refuse_unlogged
from darkroom.conditioning.words import refuse_deaf
from darkroom.contracts import PictureSource
from darkroom.data.datamodule import DataModule
from darkroom.data.sampler import micro_batch_size
from darkroom.files import sweep
from darkroom.keys import module_seed
from darkroom.runs.checkpoint_io import AtomicCheckpointIO
from darkroom.runs.folder import Run
from darkroom.runs.memory import keep_freed_memory
from darkroom.runs.summary import update_summary
from darkroom.stages.base import Stage


def fit(config: DictConfig, source: PictureSource) -> None:
    """Trains what ``config`` describes, in Hydra's output folder, from its newest checkpoint where there is one.

    ``source`` is what ``config.data`` builds, which needs no Lightning and so is built before it loads.

    Of several processes, each of which comes here, the first alone writes and speaks. Raises ValueError or OSError with
    one line for what only data and weights can tell, :class:`Stopped` where a signal ends the training.
    """
    keep_freed_memory()
    quieten()
    run = Run(Path(HydraConfig.get().runtime.output_dir))
    config = settled(config)
    interruption = Interruption()
    watching = [*callbacks(config, source), LastValidation(), Position(), interruption]
    trainer: Trainer = build(
        config.trainer,
        accelerator=accelerator(config.trainer),
        val_check_interval=validation_interval(config.trainer),
        overfit_batches=overfitted(config.trainer),
        callbacks=watching,
        enable_checkpointing=any(isinstance(each, Checkpoint) for each in watching),  # else Lightning adds its own
        logger=False,  # loggers come last: to import W&B takes longer than to find most mistakes
        plugins=[AtomicCheckpointIO()],
        default_root_dir=run.path,
    )
    # asked for its refusal alone: the loaders would tell once latents are cached and W&B has begun
    micro_batch_size(config.batch_size, world_size=trainer.num_devices, accumulate=trainer.accumulate_grad_batches)
    console.quiet = not trainer.is_global_zero
    if trainer.is_global_zero:
        sweep(run.path)
    config = completed(config, source)
    know_pictures(config, run, source, first=trainer.is_global_zero)

    torch.manual_seed(module_seed(seed=config.seed, purpose="initial weights"))
    stage: Stage = build(config.stage)
    refuse_unlogged(trainer, stage)
    if config.get("clip_score") is not None:
        refuse_deaf(stage, "clip_score")
        if (config.get("callback") or {}).get("distribution") is None:
            raise ValueError("clip_score: is measured by callback.distribution, which is null; leave one of them out")
    newest = run.loadable()
    if config.get("init") is not None and newest is None:
        initialise(stage.model, config)
    if newest is None and (words := of_other_pictures(config)):
        console.print(f"warning: {words}", style="yellow", soft_wrap=True)
    if config.compile:
        stage.compile_networks()
    datamodule = stage.datamodule(source, batch_size=config.batch_size, num_workers=config.num_workers)
    refuse_impossible(trainer, stage, datamodule, source)
    if newest is not None and is_done(config, run, newest):
        if trainer.is_global_zero:
            write_down(config, run, [])
            say_done(config, run)
        return
    with uncollected():  # W&B loads, and once more when its run begins
        trainer.loggers = loggers(config, run)
        if trainer.is_global_zero:
            write_down(config, run, trainer.loggers)  # last: what cannot be built leaves nothing behind
    try:
        with joined(run, config.get("packages") or ()), together(trainer, run), interruption.listening():
            trainer.fit(stage, datamodule, ckpt_path=newest, weights_only=True)
    except Stopped as stop:
        say_stopped(run, trainer, stop)
        raise
    if trainer.is_global_zero:
        close(run, trainer.loggers)
        if run.summary.get("finished"):  # whose keeper may be left out
            update_summary(run, {"closed": True})


def validation_interval(trainer: DictConfig) -> int:
    """``trainer.val_check_interval``, which is in optimizer steps, as Lightning counts it: in batches."""
    return trainer.val_check_interval * trainer.accumulate_grad_batches


def overfitted(trainer: DictConfig) -> int | float:
    """``trainer.overfit_batches``, which counts global batches, as Lightning counts it: in micro-batches."""
    batches = trainer.get("overfit_batches", 0.0)  # a float is a share
    return batches * trainer.accumulate_grad_batches if isinstance(batches, int) else batches


def quieten() -> None:
    """Lightning's advice on hardware and services is not for whoever runs an experiment; its warnings are."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")


def refuse_impossible(trainer: Trainer, stage: Stage, datamodule: LightningDataModule, source: PictureSource) -> None:
    """Raises ValueError for what data and callbacks would refuse in ``trainer.fit``, where W&B has begun."""
    if isinstance(datamodule, DataModule):
        datamodule.refuse_few(trainer.num_devices)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning sets it from another class
        if isinstance(callback, Refusing):
            callback.refuse(trainer, stage)
        if isinstance(callback, Counting):
            callback.refuse_few(stage, source)


def write_down(config: DictConfig, run: Run, loggers: Sequence[Logger]) -> None:
    """Config and artifact into the run's folder, so that it rebuilds itself; the config to every logger."""
    if OmegaConf.select(config, "first_stage.path"):
        copy_artifact(config.first_stage.path, run.first_stage)
        config.first_stage.path = escaped(str(run.first_stage))
    run.write_config(config)
    for logger in loggers:
        logger.log_hyperparams(OmegaConf.to_container(OmegaConf.load(run.path / "config.yaml")))  # type: ignore[arg-type]


def callbacks(config: DictConfig, source: PictureSource) -> list[Callback]:
    """Those of the config; an autoencoder's training ends with its artifact."""
    nodes = [node for node in (config.get("callback") or {}).values() if node is not None]
    built = [build(node) for node in nodes]
    if config.get("autoencoder") is not None:
        node = OmegaConf.to_container(config.autoencoder, resolve=True)
        built.append(Artifact(config=node, source=source))  # type: ignore[arg-type]
    return built


def loggers(config: DictConfig, run: Run) -> list[Logger]:
    """Those of the config, each told the run's folder."""
    nodes = [node for node in (config.get("logger") or {}).values() if node is not None]
    return [build(node)(run.path) for node in nodes]
