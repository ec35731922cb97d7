"""What ``evaluate.py`` does once its arguments are checked: measure the first stage, then what is drawn."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from darkroom.autoencoding.artifact import find_artifact, read_latents
from darkroom.commands.by_picture import beside, save_by_picture
from darkroom.commands.console import console, progress
from darkroom.commands.distances import distances
from darkroom.commands.drawing import on_devices
from darkroom.commands.folders import error
from darkroom.commands.judging import judged_reality, judged_samples
from darkroom.commands.load import device, load_first_stage, load_source
from darkroom.commands.pictures import pictures_of, reconstruct
from darkroom.commands.tracking import track
from darkroom.conditioning.words import text_readers
from darkroom.contracts import Judged, PictureSource, to_float
from darkroom.data.prompts import PromptTable, names_hash
from darkroom.files import digest, write_json
from darkroom.generation.generator import Generator, NotFinite
from darkroom.keys import keys
from darkroom.metrics.inference import exact_float32
from darkroom.metrics.means import mean
from darkroom.metrics.protocol import measured
from darkroom.runs.checkpoint import step_of
from darkroom.runs.folder import Run, find_run
from darkroom.runs.posthoc import posthoc_average
from darkroom.runs.summary import provenance

# of the facts of an evaluation those by which samples are drawn faster or slower
_COST = (
    "sampler",
    "num_steps",
    "guidance_scale",
    "guidance_interval",
    "batch_size",
    "bf16",
    "device",
    "devices",
    "threads",
)


def measure(config: DictConfig) -> dict[str, Any]:
    """Writes and answers ``{"metrics": {...}, "made": {...}}``: numbers with their protocols, and how they came about.

    Reconstructions leave the numbers of each picture beside it. The file is whole or absent. Raises ValueError or
    OSError with one line for what only the run can tell; :class:`NotFinite`, where samples run away, once all that is
    not of them is written.
    """
    run = find_run(config.run)
    with on_devices(run, config) if run.stage == "latent_diffusion" else nullcontext() as generator:
        return _measured(run, generator, config)


def _measured(run: Run, generator: Generator | None, config: DictConfig) -> dict[str, Any]:
    out = Path(config.out) if config.out is not None else run.path / "evaluation.json"
    first_stage = generator.first_stage if generator is not None else load_first_stage(run)
    source = load_source(run.config)
    validation = source.split("validation")
    made: dict[str, Any] = {"run": str(run.path), "data": source.fingerprint, "first_stage": first_stage.spec.hash}
    ema = run.config.callback.get("ema")
    made |= {"validation_pictures": len(validation)}
    made |= {"weights": "of the last step" if ema is None else f"EMA of width {ema.get('sigma_rel')}"}
    made |= {"devices": config.devices} | provenance(device())
    sheet = out.with_name(f"{out.stem}_copies.png")
    (numbers, by_picture), ran_away = distances(run, config, source, first_stage, generator, sheet=sheet)
    if isinstance(source, Judged):
        made["judge"] = source.judge_version
        numbers |= judged_reality(source, lambda image: reconstruct(first_stage, image), config)
    if generator is None:  # the training may be further than its artifact; one of before this was kept has none
        made["step"] = read_latents(find_artifact(run.path)).get("step")
    else:
        with exact_float32(device()):
            numbers["val_loss"] = denoising_loss(generator, source, run.config, config.batch_size)
        path = run.trained(config.checkpoint)
        made |= {"step": step_of(path), "checkpoint": digest(path)} | sampling_protocol(generator, config)
        if config.ema is not None:
            average = posthoc_average(run, config.ema, made["step"])
            made |= {"weights": f"EMA of width {config.ema}, of {average.snapshots} snapshots", "step": average.step}
        if ran_away is None and isinstance(source, Judged) and reads_text(generator):
            cost = {name: made[name] for name in _COST}
            try:
                numbers |= judged_samples(source, generator, config, out.with_suffix(".png"), cost)
            except NotFinite as error:
                ran_away = error
    if ran_away is not None:
        made["ran_away"] = str(ran_away)
    if by_picture:
        save_by_picture(beside(out), by_picture)
    result = {"metrics": numbers, "made": made}
    write_json(out, result)
    console.print(table(numbers, f"{run.id}, {len(validation)} validation pictures"))
    console.print(f"written to {out}", soft_wrap=True)
    track(run, {name: number["value"] for name, number in numbers.items()})
    if ran_away is not None:
        raise ran_away
    return result


def denoising_loss(
    generator: Generator, source: PictureSource, training: DictConfig, batch_size: int
) -> dict[str, Any]:
    """The loss of the ``training`` over the validation pictures, on the noises of the training's own validation.

    In the precision that is set; in float32 it may differ from the training's curve in the third digit.
    """
    validation = source.split("validation")
    losses, prompts = [], PromptTable(validation)
    batches = progress(pictures_of(validation, batch_size), len(validation), batch_size, "denoising")
    for number, image in enumerate(batches):
        places = range(number * batch_size, number * batch_size + len(image))
        posterior = generator.first_stage.encode(to_float(image.to(device())))
        own = {
            what: keys(seed=training.seed, purpose=f"validation {what}", places=places)
            for what in ("posterior", "diffusion")
        }
        condition = generator.model.conditioner(prompts[places])
        x0, noises = posterior.sample(own["posterior"]), own["diffusion"].to(device())
        losses.append(generator.process.loss(generator.model.network, x0, condition, noises).double().cpu())
    process = OmegaConf.to_container(training.stage.process, resolve=True)
    metric = {"name": "denoising loss", "process": process}
    reference = {"data": source.fingerprint, "split": "validation", "pictures": len(validation)}
    reference["names"] = names_hash(validation)  # what the denoiser is told decides what it loses
    loss = mean(torch.cat(losses))
    protocol = {"metric": metric, "through": generator.first_stage.spec.hash, "reference": reference}
    return measured(loss.value, protocol, sd=loss.sd, seed=training.seed)


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
    "prompt_accuracy_chance": "real pictures beside other captions",
    "prompt_accuracy": "samples as asked, combinations seen in training",
    "prompt_accuracy_held_out": "samples as asked, combinations kept out of it",
    "samples_per_second": "",
}


def table(numbers: dict[str, Any], title: str) -> Table:
    """For the terminal; a name that goes on from one of :data:`MEANINGS` is shown as a part of the line above it."""
    shown = Table("metric", "value", "", title=title, box=None, title_justify="left")
    above = ""
    for name, number in numbers.items():
        part = above and name not in MEANINGS and name.startswith(f"{above}_")
        above = name if name in MEANINGS else above
        label = f"  {name.removeprefix(above).lstrip('_')}" if part else name
        words = [each for each in (MEANINGS.get(name, ""), error(number)) if each]
        shown.add_row(label, f"{number['value']:.6g}", "; ".join(words))
    return shown
