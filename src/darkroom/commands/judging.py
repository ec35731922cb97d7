"""Samples held against their prompts, where the data brings a judge that can read pictures."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from omegaconf import DictConfig
from torch import Tensor

from darkroom.commands.console import progress
from darkroom.commands.pictures import pictures_of
from darkroom.contracts import Judged, Prompts, Verdicts
from darkroom.generation.generator import Generator
from darkroom.keys import keys, permutation
from darkroom.metrics.agreement import agreement
from darkroom.metrics.protocol import measured
from darkroom.runs.pictures import save_grid

KINDS = ("seen", "held_out")
SHOWN, COLUMNS = 14, 7  # examples of each kind on the sheet


def judged_reality(source: Judged, reconstruct: Callable[[Tensor], Tensor], config: DictConfig) -> dict[str, Any]:
    """What the judge says of real pictures, of their reconstructions and of real pictures beside others' captions.

    The first two are the ceiling of any sample's agreement, the last is the chance level: what pictures would reach
    that have nothing to do with what they were asked for. A single picture has no other's caption.
    """
    pictures = source.challenge("seen", config.n, config.seed)
    batches = list(pictures_of(pictures, config.batch_size))
    captions = list(pictures.captions or ())
    size = config.n, config.batch_size
    trials = {
        "real": (progress(batches, *size, "judging real pictures"), captions),
        "reconstructed": (map(reconstruct, progress(batches, *size, "judging reconstructions")), captions),
    }
    if len(captions) > 1:
        trials["chance"] = progress(batches, *size, "judging under other captions"), elsewhere(captions, config.seed)
    found: dict[str, Any] = {}
    for name, (shown, asked) in trials.items():
        key = f"prompt_accuracy_{name}"
        found[key] = numbers(source, judged(source, shown, asked), key, config, of=name)[key]
    return found


def elsewhere(captions: Sequence[str], seed: int) -> list[str]:
    """Each place gets the caption of another, by a random round through all of them."""
    order = permutation(len(captions), seed=seed, purpose="other captions").tolist()
    taken = dict(zip(order, order[1:] + order[:1], strict=True))
    return [captions[taken[place]] for place in range(len(captions))]


def judged_samples(
    source: Judged, generator: Generator, config: DictConfig, sheet: Path, cost: Mapping[str, Any]
) -> dict[str, Any]:
    """Agreement of samples with their prompts: of combinations that training contains, and of those kept out of it.

    Of the latter also by what of them training never showed (``prompt_accuracy_held_out_new_pair``). The first samples
    of both kinds are written to ``sheet``, each over its prompt. ``cost`` is what decides ``samples_per_second``
    beside the model: another device or number of steps is another speed.
    """
    found: dict[str, Any] = {}
    examples: list[tuple[Tensor, list[str]]] = []
    seconds = 0.0
    for kind in KINDS:
        captions = list(source.challenge(kind, config.n, config.seed).captions or ())
        started = time.perf_counter()
        pictures = drawn(generator, captions, kind, config)
        seconds += time.perf_counter() - started
        verdicts = judged(source, pictures.split(config.batch_size), captions)
        name = "prompt_accuracy" if kind == "seen" else f"prompt_accuracy_{kind}"
        found |= numbers(source, verdicts, name, config, of=kind)
        found |= by_novelty(source, verdicts, captions, name, config)
        examples.append((pictures[:SHOWN], captions[:SHOWN]))
    words = [text for _, part in examples for text in part]
    save_grid(sheet, torch.cat([part for part, _ in examples]), words, COLUMNS)
    speed = measured(len(KINDS) * config.n / seconds, {"metric": {"name": "samples_per_second"}, **cost})
    return found | {"samples_per_second": speed}


def drawn(generator: Generator, captions: list[str], kind: str, config: DictConfig) -> UInt8[Tensor, "n 3 H W"]:
    """A sample of each caption."""
    start = keys(seed=config.seed, purpose=f"evaluate {kind}", places=range(len(captions)))
    batches = generator(Prompts(caption=tuple(captions)), start, batch_size=config.batch_size)
    description = f"developing prompts {kind.replace('_', ' ')}"
    return torch.cat([batch.cpu() for batch in progress(batches, len(captions), config.batch_size, description)])


def judged(source: Judged, batches: Iterable[Tensor], captions: Sequence[str]) -> Verdicts:
    """The judge's verdicts over all pictures."""
    found, start = [], 0
    for image in batches:
        found.append(source.judge(image, captions[start : start + len(image)]))
        start += len(image)
    return Verdicts(*map(torch.cat, zip(*found, strict=True)))


def numbers(source: Judged, verdicts: Verdicts, name: str, config: DictConfig, **of: str) -> dict[str, Any]:
    """``name`` and each of its parts as :func:`agreement` has them, with Wilson's interval; ``of`` says of what."""
    record = {"data": source.fingerprint, "judge": source.judge_version, "n": config.n}
    found = {}
    for key, share in agreement(verdicts, source.attributes).items():
        protocol = {"metric": {"name": key, **of}, **record}
        interval = list(share.interval)
        facts = {"interval": interval, "judged": share.n, "seed": config.seed}
        found[name + key.removeprefix("agreement")] = measured(share.value, protocol, **facts)
    return found


def by_novelty(
    source: Judged, verdicts: Verdicts, captions: Sequence[str], name: str, config: DictConfig
) -> dict[str, Any]:
    """Agreement where captions ask for what training never showed, a share for each kind of that."""
    kinds = [source.kept_out(text) for text in captions]
    found = {}
    for kind in sorted({kind for kind in kinds if kind is not None}):
        rows = torch.tensor([each == kind for each in kinds])
        own, key = Verdicts(*(part[rows] for part in verdicts)), f"{name}_new_{kind}"
        found[key] = numbers(source, own, key, config, of=f"new {kind}")[key]
    return found
