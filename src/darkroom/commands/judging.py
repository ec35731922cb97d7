"""Samples held against their prompts, where the data brings a judge that can read pictures."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from jaxtyping import UInt8
from omegaconf import DictConfig
from torch import Tensor

from darkroom.commands.console import progress
from darkroom.contracts import Judged, Prompts
from darkroom.generation.generator import Generator
from darkroom.keys import keys
from darkroom.metrics.agreement import JudgeAgreement
from darkroom.runs.pictures import save_grid

KINDS = ("seen", "held_out")
SHOWN, COLUMNS = 14, 7  # examples of each kind on the sheet


def judged_reality(source: Judged, reconstruct: Callable[[Tensor], Tensor], config: DictConfig) -> dict[str, float]:
    """What the judge says of real pictures and of their reconstructions: the ceiling of any sample's agreement."""
    pictures = source.challenge("seen", config.n, config.seed)
    starts = range(0, config.n, config.batch_size)
    spans = [range(start, min(start + config.batch_size, config.n)) for start in starts]
    batches = [pictures.oriented(span, mirrored=False) for span in spans]
    captions = list(pictures.captions or ())
    real = agreement(source, progress(batches, config.n, config.batch_size, "judging real pictures"), captions)
    followed = progress(batches, config.n, config.batch_size, "judging reconstructions")
    again = agreement(source, map(reconstruct, followed), captions)
    return {"prompt_accuracy_real": real["agreement"], "prompt_accuracy_reconstructed": again["agreement"]}


def judged_samples(source: Judged, generator: Generator, config: DictConfig, sheet: Path) -> dict[str, float]:
    """Agreement of samples with their prompts: of combinations that training contains, and of those kept out of it.

    The first samples of both kinds are written to ``sheet``, each over its prompt.
    """
    metrics: dict[str, float] = {}
    examples: list[tuple[Tensor, list[str]]] = []
    seconds = 0.0
    for kind in KINDS:
        captions = list(source.challenge(kind, config.n, config.seed).captions or ())
        started = time.perf_counter()
        pictures = drawn(generator, captions, kind, config)
        seconds += time.perf_counter() - started
        found = agreement(source, pictures.split(config.batch_size), captions)
        name = "prompt_accuracy" if kind == "seen" else f"prompt_accuracy_{kind}"
        metrics |= {name + key.removeprefix("agreement"): value for key, value in found.items() if "agreement" in key}
        metrics[f"{name}_invalid"] = found["invalid_rate"]
        examples.append((pictures[:SHOWN], captions[:SHOWN]))
    words = [text for _, part in examples for text in part]
    save_grid(sheet, torch.cat([part for part, _ in examples]), words, COLUMNS)
    return metrics | {"samples_per_second": len(KINDS) * config.n / seconds}


def drawn(generator: Generator, captions: list[str], kind: str, config: DictConfig) -> UInt8[Tensor, "n 3 H W"]:
    """A sample of each caption."""
    start = keys(seed=config.seed, purpose=f"evaluate {kind}", places=range(len(captions)))
    batches = generator(Prompts(caption=tuple(captions)), start, batch_size=config.batch_size)
    description = f"developing prompts {kind.replace('_', ' ')}"
    return torch.cat([batch.cpu() for batch in progress(batches, len(captions), config.batch_size, description)])


def agreement(source: Judged, batches: Iterable[Tensor], captions: list[str]) -> dict[str, float]:
    """The judge's verdicts over all pictures."""
    metric = JudgeAgreement(source.attributes)
    start = 0
    for image in batches:
        metric.update(*source.judge(image, captions[start : start + len(image)]))
        start += len(image)
    return metric.compute()
