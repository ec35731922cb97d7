"""What ``evaluate.py`` does once its arguments are checked: measure the first stage, then what is drawn."""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from omegaconf import DictConfig
from rich.progress import track
from rich.table import Table
from torch import Tensor

from darkroom.commands.console import console
from darkroom.commands.draw import configured
from darkroom.commands.load import load_first_stage, load_source
from darkroom.contracts import FirstStage, Judged, PictureDataset, PictureSource, Prompts, to_float, to_uint8
from darkroom.generation.generator import Generator
from darkroom.keys import keys
from darkroom.metrics.agreement import JudgeAgreement
from darkroom.metrics.paired import MeanPSNR, MeanSSIM, bicubic_roundtrip
from darkroom.runs.files import write_text
from darkroom.runs.folder import Run, find_run
from darkroom.runs.pictures import save_grid
from darkroom.runs.summary import provenance

KINDS = ("seen", "held_out")
SHOWN, COLUMNS = 14, 7  # examples of each kind on the sheet


def measure(config: DictConfig) -> dict[str, Any]:
    """Writes and answers ``{"metrics": {...}, "protocol": {...}}``.

    Raises ValueError or OSError with one line for what only the run can tell.
    """
    run = find_run(config.run)
    out = Path(config.out) if config.out is not None else run.path / "evaluation.json"
    source = load_source(run.config)
    first_stage = load_first_stage(run)
    validation = source.split("validation")
    metrics = reconstruction(first_stage, validation, config.batch_size)
    if isinstance(source, Judged):
        metrics |= judged_reality(source, first_stage, config)
    protocol: dict[str, Any] = {"run": str(run.path), "data": source.fingerprint, "first_stage": first_stage.spec.hash}
    if run.stage == "latent_diffusion":
        generator = configured(run, config)
        protocol |= sampling_protocol(run, generator, config)
        if isinstance(source, Judged):
            metrics |= judged_samples(source, generator, config, out.with_suffix(".png"))
    result = {"metrics": metrics, "protocol": protocol | provenance(torch.device("cpu"))}
    write_text(out, json.dumps(result, indent=2) + "\n")
    console.print(table(metrics))
    console.print(f"written to {out}", soft_wrap=True)
    return result


def reconstruction(first_stage: FirstStage, validation: PictureDataset, batch_size: int) -> dict[str, float]:
    """PSNR and SSIM over all validation pictures, beside those of bicubic by the same factor; none for pixels."""
    if first_stage.spec.factor == 1:
        return {}
    ours, theirs = (MeanPSNR(), MeanSSIM()), (MeanPSNR(), MeanSSIM())
    for image in pictures_of(validation, batch_size):
        for metric in ours:
            metric.update(image, reconstruct(first_stage, image))
        for metric in theirs:
            metric.update(image, bicubic_roundtrip(image, first_stage.spec.factor))
    names = ("val_psnr", "val_ssim", "val_bicubic_psnr", "val_bicubic_ssim")
    return {name: float(metric.compute()) for name, metric in zip(names, ours + theirs, strict=True)}


def judged_reality(source: Judged, first_stage: FirstStage, config: DictConfig) -> dict[str, float]:
    """What the judge says of real pictures and of their reconstructions: the ceiling of any sample's agreement."""
    pictures = source.challenge("seen", config.n, config.seed)
    batches = list(pictures_of(pictures, config.batch_size))
    captions = list(pictures.captions or ())
    real = agreement(source, batches, captions)
    again = agreement(source, (reconstruct(first_stage, image) for image in batches), captions)
    return {"prompt_accuracy_real": real["agreement"], "prompt_accuracy_reconstructed": again["agreement"]}


def judged_samples(source: Judged, generator: Generator, config: DictConfig, sheet: Path) -> dict[str, float]:
    """Agreement of samples with their prompts: of combinations that training contains, and of those kept out of it.

    The first samples of both kinds are written to ``sheet``, each over its prompt.
    """
    metrics: dict[str, float] = {}
    examples: list[tuple[Tensor, list[str]]] = []
    started = time.perf_counter()
    for kind in KINDS:
        captions = list(source.challenge(kind, config.n, config.seed).captions or ())
        start = keys(seed=config.seed, purpose=f"evaluate {kind}", places=range(config.n))
        batches = generator(Prompts(caption=tuple(captions)), start, batch_size=config.batch_size)
        total = -(-config.n // config.batch_size)
        pictures = torch.cat(
            list(track(batches, total=total, description=f"developing {kind} prompts", console=console))
        )
        found = agreement(source, pictures.split(config.batch_size), captions)
        name = "prompt_accuracy" if kind == "seen" else f"prompt_accuracy_{kind}"
        metrics |= {name + key.removeprefix("agreement"): value for key, value in found.items() if "agreement" in key}
        metrics[f"{name}_invalid"] = found["invalid_rate"]
        examples.append((pictures[:SHOWN], captions[:SHOWN]))
    seconds = time.perf_counter() - started
    save_grid(
        sheet, torch.cat([part for part, _ in examples]), [text for _, part in examples for text in part], COLUMNS
    )
    return metrics | {"samples_per_second": len(KINDS) * config.n / seconds}


def agreement(source: Judged, batches: Iterable[UInt8[Tensor, "b 3 H W"]], captions: list[str]) -> dict[str, float]:
    """The judge's verdicts over all pictures."""
    metric = JudgeAgreement(source.attributes)
    start = 0
    for image in batches:
        metric.update(*source.judge(image.cpu(), captions[start : start + len(image)]))
        start += len(image)
    return metric.compute()


def pictures_of(dataset: PictureDataset, batch_size: int) -> Iterator[UInt8[Tensor, "b 3 H W"]]:
    """Every picture once, in order."""
    for start in range(0, len(dataset), batch_size):
        yield dataset.oriented(range(start, min(start + batch_size, len(dataset))), mirrored=False)


@torch.inference_mode()
def reconstruct(first_stage: FirstStage, image: UInt8[Tensor, "b 3 H W"]) -> UInt8[Tensor, "b 3 H W"]:
    """Through the posterior's mean and back, in float32."""
    return to_uint8(first_stage.decode(first_stage.encode(to_float(image)).mean))


def sampling_protocol(run: Run, generator: Generator, config: DictConfig) -> dict[str, Any]:
    """How the samples were drawn."""
    guidance = generator.guidance
    return {
        "n": config.n,
        "seed": config.seed,
        "step": run.summary.get("step"),
        "weights": "EMA",
        "sampler": getattr(generator.plan.sampler, "func", generator.plan.sampler).__name__,
        "num_steps": generator.plan.num_steps,
        "guidance_scale": getattr(guidance, "scale", None),
        "bf16": generator.bf16,
    }


def table(metrics: dict[str, float]) -> Table:
    """For the terminal."""
    shown = Table("metric", "value", box=None)
    for name, value in metrics.items():
        shown.add_row(name, f"{value:.4f}")
    return shown
