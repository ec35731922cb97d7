"""Samples held against their prompts, where the data brings a judge that can read pictures."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from omegaconf import DictConfig
from torch import Tensor

from darkroom.commands.console import progress
from darkroom.commands.pictures import pictures_of
from darkroom.contracts import Judged, Prompts, Verdicts
from darkroom.generation.generator import Generator
from darkroom.keys import keys
from darkroom.metrics.agreement import JudgeAgreement
from darkroom.runs.pictures import save_grid

KINDS = ("seen", "held_out")
SHOWN, COLUMNS = 14, 7  # examples of each kind on the sheet


def judged_reality(source: Judged, reconstruct: Callable[[Tensor], Tensor], config: DictConfig) -> dict[str, float]:
    """What the judge says of real pictures and of their reconstructions: the ceiling of any sample's agreement."""
    pictures = source.challenge("seen", config.n, config.seed)
    batches = list(pictures_of(pictures, config.batch_size))
    captions = list(pictures.captions or ())
    real = agreement(source, progress(batches, config.n, config.batch_size, "judging real pictures"), captions)
    followed = progress(batches, config.n, config.batch_size, "judging reconstructions")
    again = agreement(source, map(reconstruct, followed), captions)
    return {"prompt_accuracy_real": real["agreement"], "prompt_accuracy_reconstructed": again["agreement"]}


def judged_samples(source: Judged, generator: Generator, config: DictConfig, sheet: Path) -> dict[str, float]:
    """Agreement of samples with their prompts: of combinations that training contains, and of those kept out of it.

    Of the latter also by what of them training never showed (``prompt_accuracy_held_out_new_pair``). The first samples
    of both kinds are written to ``sheet``, each over its prompt.
    """
    metrics: dict[str, float] = {}
    examples: list[tuple[Tensor, list[str]]] = []
    seconds = 0.0
    for kind in KINDS:
        captions = list(source.challenge(kind, config.n, config.seed).captions or ())
        started = time.perf_counter()
        pictures = drawn(generator, captions, kind, config)
        seconds += time.perf_counter() - started
        verdicts = judged(source, pictures.split(config.batch_size), captions)
        found = shares(source, verdicts)
        name = "prompt_accuracy" if kind == "seen" else f"prompt_accuracy_{kind}"
        metrics |= {name + key.removeprefix("agreement"): value for key, value in found.items() if "agreement" in key}
        metrics[f"{name}_invalid"] = found["invalid_rate"]
        metrics |= by_novelty(source, verdicts, captions, name)
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


def agreement(source: Judged, batches: Iterable[Tensor], captions: Sequence[str]) -> dict[str, float]:
    """Shares of pictures that are as asked; see :class:`JudgeAgreement`."""
    return shares(source, judged(source, batches, captions))


def judged(source: Judged, batches: Iterable[Tensor], captions: Sequence[str]) -> Verdicts:
    """The judge's verdicts over all pictures."""
    found, start = [], 0
    for image in batches:
        found.append(source.judge(image, captions[start : start + len(image)]))
        start += len(image)
    return Verdicts(*map(torch.cat, zip(*found, strict=True)))


def shares(source: Judged, verdicts: Verdicts) -> dict[str, float]:
    """What :class:`JudgeAgreement` makes of them."""
    metric = JudgeAgreement(source.attributes)
    metric.update(*verdicts)
    return metric.compute()


def by_novelty(source: Judged, verdicts: Verdicts, captions: Sequence[str], name: str) -> dict[str, float]:
    """Agreement where captions ask for what training never showed, a share and its interval for each kind of that."""
    kinds = [source.kept_out(text) for text in captions]
    metrics: dict[str, float] = {}
    for kind in sorted({kind for kind in kinds if kind is not None}):
        rows = torch.tensor([each == kind for each in kinds])
        found = shares(source, Verdicts(*(part[rows] for part in verdicts)))
        metrics |= {f"{name}_new_{kind}{end}": found[f"agreement{end}"] for end in ("", "_low", "_high")}
    return metrics
