"""What ``evaluate.py`` does once its arguments are checked: measure the first stage, then what is drawn."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from rich.table import Table
from torchmetrics import Metric

from darkroom.commands.console import console, progress
from darkroom.commands.distances import distances
from darkroom.commands.drawing import on_devices
from darkroom.commands.folders import error
from darkroom.commands.judging import judged_reality, judged_samples
from darkroom.commands.load import device, load_first_stage, load_source
from darkroom.commands.pictures import pictures_of, reconstruct
from darkroom.commands.tracking import track
from darkroom.conditioning.words import text_readers
from darkroom.contracts import FirstStage, Judged, PictureDataset, PictureSource, to_float
from darkroom.data.prompts import PromptTable
from darkroom.files import write_text
from darkroom.generation.generator import Generator
from darkroom.keys import keys
from darkroom.metrics.ms_ssim import LEAST_SIDE, MeanMSSSIM
from darkroom.metrics.paired import MeanPSNR, MeanSSIM, bicubic_roundtrip
from darkroom.metrics.weights_file import digest
from darkroom.runs.checkpoint import step_of
from darkroom.runs.folder import Run, find_run
from darkroom.runs.posthoc import posthoc_average
from darkroom.runs.summary import provenance


def measure(config: DictConfig) -> dict[str, Any]:
    """Writes and answers ``{"metrics": {...}, "protocol": {...}, "distances": {...}}``; the file is whole or absent.

    Each of the distances has its own protocol beside it.

    Raises ValueError or OSError with one line for what only the run can tell.
    """
    run = find_run(config.run)
    with on_devices(run, config) if run.stage == "latent_diffusion" else nullcontext() as generator:
        return _measured(run, generator, config)


def _measured(run: Run, generator: Generator | None, config: DictConfig) -> dict[str, Any]:
    out = Path(config.out) if config.out is not None else run.path / "evaluation.json"
    first_stage = generator.first_stage if generator is not None else load_first_stage(run)
    source = load_source(run.config)
    validation = source.split("validation")
    metrics = reconstruction(first_stage, source, config.batch_size)
    protocol: dict[str, Any] = {"run": str(run.path), "data": source.fingerprint, "first_stage": first_stage.spec.hash}
    ema = run.config.callback.get("ema")
    protocol |= {"validation_pictures": len(validation), "step": run.summary.get("step")}
    protocol |= {"weights": "of the last step" if ema is None else f"EMA of width {ema.get('sigma_rel')}"}
    found = distances(run, config, source, first_stage, generator, sheet=out.with_name(f"{out.stem}_copies.png"))
    if isinstance(source, Judged):
        protocol["judge"] = source.judge_version
        metrics |= judged_reality(source, lambda image: reconstruct(first_stage, image), config)
    if generator is not None:
        metrics["val_loss"] = denoising_loss(generator, validation, run.config.seed, config.batch_size)
        path = run.trained(config.checkpoint)
        protocol |= {"step": step_of(path), "checkpoint": digest(path)} | sampling_protocol(generator, config)
        if config.ema is not None:
            made = posthoc_average(run, config.ema, protocol["step"])
            protocol |= {"weights": f"EMA of width {config.ema}, of {made.snapshots} snapshots", "step": made.step}
        if isinstance(source, Judged) and reads_text(generator):
            metrics |= judged_samples(source, generator, config, out.with_suffix(".png"))
    protocol |= provenance(device())
    numbers = {name: number | {"made": protocol} for name, number in found.items()}
    result = {"metrics": metrics, "protocol": protocol, "distances": numbers}
    write_text(out, json.dumps(result, indent=2) + "\n")
    console.print(table(metrics, found, run, len(validation)))
    console.print(f"written to {out}", soft_wrap=True)
    track(run, metrics | {name: number["value"] for name, number in found.items()})
    return result


def reconstruction(first_stage: FirstStage, source: PictureSource, batch_size: int) -> dict[str, float]:
    """PSNR and SSIM over all validation pictures, beside those of bicubic by the same factor; none for pixels.

    MS-SSIM too, where pictures are large enough for it.
    """
    if first_stage.spec.factor == 1:
        return {}
    validation = source.split("validation")
    ours: dict[str, Metric] = {"psnr": MeanPSNR(), "ssim": MeanSSIM()}
    if source.resolution >= LEAST_SIDE:
        ours["ms_ssim"] = MeanMSSSIM()
    theirs: dict[str, Metric] = {"bicubic_psnr": MeanPSNR(), "bicubic_ssim": MeanSSIM()}
    for image in progress(pictures_of(validation, batch_size), len(validation), batch_size, "reconstructing"):
        again, bicubic = reconstruct(first_stage, image), bicubic_roundtrip(image, first_stage.spec.factor)
        for metric in ours.values():
            metric.update(image, again)
        for metric in theirs.values():
            metric.update(image, bicubic)
    return {f"val_{name}": float(metric.compute()) for name, metric in {**ours, **theirs}.items()}


@torch.inference_mode()
def denoising_loss(generator: Generator, validation: PictureDataset, seed: int, batch_size: int) -> float:
    """The training's loss over the validation pictures, on the noises of the training's own validation.

    In float32, so that it may differ from the training's curve in the third digit.
    """
    losses, prompts = [], PromptTable(validation)
    batches = progress(pictures_of(validation, batch_size), len(validation), batch_size, "denoising")
    for number, image in enumerate(batches):
        places = range(number * batch_size, number * batch_size + len(image))
        posterior = generator.first_stage.encode(to_float(image.to(device())))
        own = {
            what: keys(seed=seed, purpose=f"validation {what}", places=places) for what in ("posterior", "diffusion")
        }
        condition = generator.model.conditioner(prompts[places])
        x0, noises = posterior.sample(own["posterior"]), own["diffusion"].to(device())
        losses.append(generator.process.loss(generator.model.network, x0, condition, noises).double().cpu())
    return float(torch.cat(losses).mean())


def reads_text(generator: Generator) -> bool:
    """Whether a judge can hold samples against prompts."""
    return bool(text_readers(generator.model.conditioner))


def described(function: Any) -> str:
    """A function with what the config has bound of its arguments."""
    bound = ", ".join(f"{key}={value}" for key, value in getattr(function, "keywords", {}).items())
    return f"{getattr(function, 'func', function).__name__}({bound})"


def sampling_protocol(generator: Generator, config: DictConfig) -> dict[str, Any]:
    """How the samples were drawn."""
    return {
        "n": config.n,
        "seed": config.seed,
        "sampler": described(generator.plan.sampler),
        "grid": described(generator.plan.grid),
        "num_steps": generator.plan.num_steps,
        "guidance_scale": getattr(generator.guidance, "scale", None),
        "guidance_interval": list(getattr(generator.guidance, "interval", ())) or None,
        "conditions": "of the training, as often as they occur; for a judge those of new scenes",
        "batch_size": config.batch_size,
        "bf16": generator.bf16,
    }


MEANINGS = {
    "val_psnr": "dB, through the autoencoder",
    "val_ssim": "",
    "val_ms_ssim": "",
    "val_bicubic_psnr": "dB, bicubic by the same factor: to be beaten",
    "val_bicubic_ssim": "",
    "val_loss": "of the denoiser",
    "prompt_accuracy_real": "real pictures that show their caption: the ceiling",
    "prompt_accuracy_reconstructed": "their reconstructions",
    "prompt_accuracy": "samples as asked, combinations seen in training",
    "prompt_accuracy_held_out": "samples as asked, combinations kept out of it",
    "samples_per_second": "",
}


def table(metrics: dict[str, float], distances: dict[str, Any], run: Run, size: int) -> Table:
    """For the terminal; what :data:`MEANINGS` does not know is a part of the line above it."""
    shown = Table("metric", "value", "", title=f"{run.id}, {size} validation pictures", box=None, title_justify="left")
    above = ""
    for name, value in metrics.items():
        above = name if name in MEANINGS else above
        part = "" if name == above else f"  {name.removeprefix(above).lstrip('_')}"
        shown.add_row(part or name, f"{value:.4f}", MEANINGS.get(name, ""))
    for name, number in distances.items():
        shown.add_row(name, f"{number['value']:.6g}", error(number))
    return shown
