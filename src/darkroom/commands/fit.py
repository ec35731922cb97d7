"""What ``train.py`` does once its arguments are checked: build, train, say where to look."""

import logging
import shlex
import signal
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf, open_dict

from darkroom.autoencoding.artifact import find_artifact, read_latents
from darkroom.autoencoding.first_stage import copy_artifact
from darkroom.build import build, escaped, literal
from darkroom.callbacks.artifact import Artifact
from darkroom.callbacks.checkpoints import Counting, Refusing
from darkroom.callbacks.interruption import Interruption, Stopped
from darkroom.callbacks.last_validation import LastValidation
from darkroom.callbacks.position import Position
from darkroom.commands.console import console
from darkroom.commands.initialise import initialise
from darkroom.commands.loading import uncollected
from darkroom.commands.processes import joined, together
from darkroom.commands.watched import refuse_unlogged
from darkroom.conditioning.auto import resolve
from darkroom.conditioning.words import refuse_deaf
from darkroom.contracts import PictureSource
from darkroom.data.datamodule import DataModule
from darkroom.data.sampler import micro_batch_size
from darkroom.files import sweep
from darkroom.keys import module_seed
from darkroom.runs.checkpoint import step_of
from darkroom.runs.checkpoint_io import AtomicCheckpointIO
from darkroom.runs.folder import Run
from darkroom.runs.loggers import Closing
from darkroom.runs.machine import multiplies_bf16
from darkroom.runs.memory import keep_freed_memory
from darkroom.runs.summary import update_summary
from darkroom.runs.wandb_pieces import how_to_look
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


def accelerator(trainer: DictConfig) -> str:
    """``trainer.accelerator``; left to Lightning, ``auto`` may be Apple's, which has no float64 for the keys."""
    if trainer.accelerator != "auto":
        return trainer.accelerator
    return "cuda" if torch.cuda.is_available() else "cpu"


def settled(config: DictConfig) -> DictConfig:
    """The config with what the machine decides filled in, so that the run goes on with it on another."""
    config = config.copy()
    units = multiplies_bf16(torch.device("cuda" if accelerator(config.trainer) in ("cuda", "gpu") else "cpu"))
    if config.trainer.precision is None:
        config.trainer.precision = "bf16-mixed" if units else "32-true"
    elif str(config.trainer.precision).startswith("bf16") and not units:
        console.print(
            f"warning: trainer.precision={config.trainer.precision}: there are no units for bf16 here, and products "
            "are emulated, many times slower than those of trainer.precision=32-true",
            style="yellow",
            soft_wrap=True,
        )
    return config


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


def completed(config: DictConfig, source: PictureSource) -> DictConfig:
    """The config with what the data decide filled in."""
    config = config.copy()
    with open_dict(config):
        if config.get("conditioner") is not None:
            node, line = resolve(config.conditioner, source.split("train").captions, source.classes)
            config.conditioner = literal(node)
            if line:
                console.print(line, soft_wrap=True)
    return config


def know_pictures(config: DictConfig, run: Run, source: PictureSource, *, first: bool) -> None:
    """Fills in ``data_fingerprint``; raises ValueError where a run that goes on had another.

    One picture more or less, and all come in another order. Of a folder every byte is read, by the ``first`` process
    alone: those that it starts have its answer in their config.
    """
    held = config.get("data_fingerprint")
    if held is not None and not first:
        source.fingerprint = held
        return
    found = source.fingerprint
    if held not in (None, found):
        raise ValueError(
            f"data_fingerprint={held[:12]}...: the run's pictures are not what they were, they have {found[:12]}... "
            f"now; put the old ones back, or start a new run with init={run.path}"
        )
    with open_dict(config):
        config.data_fingerprint = found


def of_other_pictures(config: DictConfig) -> str | None:
    """A line where the first stage learnt from pictures that are not the run's, which may be meant."""
    if not (path := OmegaConf.select(config, "first_stage.path")):
        return None
    made, learnt = read_latents(find_artifact(path)), f"first_stage.path={path}: learnt from"
    if made.get("resolution") not in (None, config.resolution):
        return f"{learnt} pictures of {made['resolution']} pixels, and this run has resolution={config.resolution}"
    if made.get("data_fingerprint") not in (None, config.data_fingerprint):
        return f"{learnt} other pictures than this run's; unless that is meant, give both stages the same data"
    return None


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


def is_done(config: DictConfig, run: Run, newest: Path) -> bool:
    """Whether nothing of the training is left to do: no step, no artifact, nothing that a logger had not yet taken.

    ``newest`` is the checkpoint that the run would go on from.
    """
    summary = run.summary
    return bool(
        step_of(newest) >= config.trainer.max_steps
        and summary.get("finished")
        and summary.get("closed")
        and (config.get("autoencoder") is None or run.first_stage.is_dir())
    )


def say_done(config: DictConfig, run: Run) -> None:
    """That there is nothing to train, how to train on, and where everything is."""
    command = f"{shlex.join(['python', 'train.py', f'resume={run.path}'])} max_steps=M"
    steps = config.trainer.max_steps
    console.print(f"the run has done its {steps} steps, nothing is trained; for more: {command}", soft_wrap=True)
    close(run, [])


def say_stopped(run: Run, trainer: Trainer, stop: Stopped) -> None:
    """What is saved of the run, and how to go on with it; other processes end in silence."""
    if not trainer.is_global_zero:
        if stop.at_once:  # the first may not know: the exit code tells it
            return
        raise SystemExit(0) from stop  # for any other code Lightning kills the first process
    newest = run.latest()
    saved = f"saved is {newest}" if newest else "nothing is saved yet"
    console.print(f"stopped by {stop.signal.name}: {saved}", soft_wrap=True)
    command = shlex.join(["python", "train.py", f"resume={run.path}"])
    console.print(f"go on with:            {command}", soft_wrap=True)
    close(run, trainer.loggers)
    if stop.at_once and trainer.strategy.launcher is not None:
        trainer.strategy.launcher.kill(signal.SIGKILL)


def close(run: Run, loggers: Sequence[Any]) -> None:
    """Ends loggers that want to be, as Weights & Biases does, and says where everything is."""
    for logger in loggers:
        if isinstance(logger, Closing):
            logger.close()
    console.print(f"the run:               {run.path}", soft_wrap=True)
    for line in how_to_look(run.path):
        console.print(line, soft_wrap=True)
