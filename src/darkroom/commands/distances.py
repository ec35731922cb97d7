"""What a run draws, held against its training pictures; what its first stage reconstructs, against the originals."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from darkroom.build import build
from darkroom.commands.conditions import of_captions, of_conditions
from darkroom.commands.console import console, progress
from darkroom.commands.folders import refuse_few, warn_of_few
from darkroom.commands.load import device
from darkroom.commands.memorisation import of_copies
from darkroom.commands.real_features import RealFeatures
from darkroom.commands.reconstructions import Found, of_reconstructions
from darkroom.conditioning.text import captions_of
from darkroom.conditioning.words import refuse_deaf
from darkroom.contracts import FirstStage, Judged, PictureSource
from darkroom.generation.generator import Generator, NotFinite
from darkroom.generation.sample_set import SampleSet, conditions
from darkroom.metrics.clip_score import ClipScore
from darkroom.metrics.collecting import collected, spacing
from darkroom.metrics.distances import FAMILIES, Sets, of_references, refuse_impossible
from darkroom.metrics.extractor import FeatureExtractor, features
from darkroom.metrics.latent_features import LatentFeatures
from darkroom.metrics.memorisation import LEAST
from darkroom.runs.folder import Run

_FAMILIES = ("fd", "kid")  # unless others are asked for: neighbours want more samples than are often drawn


def distances(
    run: Run,
    config: DictConfig,
    source: PictureSource,
    first_stage: FirstStage,
    generator: Generator | None,
    *,
    sheet: Path,
) -> tuple[Found, NotFinite | None]:
    """Every number by its name, with its protocol, of reconstructions and samples; those of samples want a network.

    A distance of samples comes with that of the first stage's reconstructions by the same extractor. Where copies of
    the training are asked for, the closest pairs are written to ``sheet``. The second answer is why there are no
    numbers of samples, where these ran away.
    """
    extractor, clip_score = extractor_of(run, config, first_stage), clip_score_of(config, generator)
    if config.memorisation:
        refuse_unscaled(extractor, source, config.n)
    lpips = None if config.get("perceptual") is None else build(config.perceptual)
    foreign = None if isinstance(extractor, LatentFeatures) else extractor  # the first stage would judge itself
    found, by_picture = of_reconstructions(foreign, lpips, source, first_stage, config.batch_size)
    if generator is None:
        return Found(found, by_picture), None
    if extractor is not None and config.n < 2:
        console.print(f"warning: n={config.n} samples have no distance", style="yellow")
        extractor = None
    if extractor is not None or clip_score is not None:
        copies = sheet if config.memorisation else None
        try:
            found |= of_samples(extractor, clip_score, source, generator, config, sheet=copies)
        except NotFinite as error:
            return Found(found, by_picture), error
    return Found(found, by_picture), None


def refuse_unscaled(extractor: FeatureExtractor | None, source: PictureSource, n: int) -> None:
    """Raises ValueError, before anything is drawn, where nothing could be told of copies."""
    if extractor is None or n < 2:
        raise ValueError(
            "memorisation: wants features; give extractor=NAME extractor.weights=FILE, and n of at least 2"
        )
    if (size := len(source.split("validation"))) < LEAST:
        others = "leave it out, or hold pictures of sample.py against others: generated=DIR training=DIR held_out=DIR"
        raise ValueError(f"memorisation: {size} validation pictures set no scale, it wants {LEAST} or more; {others}")


def extractor_of(run: Run, config: DictConfig, first_stage: FirstStage) -> FeatureExtractor | None:
    """The command line's, else the run's; one that looks through the first stage is given it, wherever the run lies."""
    node = config.get("extractor") if config.get("extractor") is not None else run.config.get("extractor")
    if node is None:
        return None
    plain: Any = OmegaConf.to_container(node, resolve=True)
    own = {"first_stage": first_stage, "resolution": run.config.resolution} if "first_stage" in plain else {}
    return build({key: value for key, value in plain.items() if key not in own}, **own).to(device())


def clip_score_of(config: DictConfig, generator: Generator | None) -> ClipScore | None:
    """The command line's. Raises ValueError where a run reads no captions."""
    if config.get("clip_score") is None:
        return None
    if generator is None:
        raise ValueError("clip_score: an autoencoder draws nothing under captions; leave it out")
    refuse_deaf(generator.model.conditioner, "clip_score")
    return build(config.clip_score).to(device())


def of_samples(
    extractor: FeatureExtractor | None,
    clip_score: ClipScore | None,
    source: PictureSource,
    generator: Generator,
    config: DictConfig,
    *,
    sheet: Path | None = None,
    beside_real: bool = True,
) -> dict[str, Any]:
    """``n`` samples under conditions of the training against ``n_reference`` of its pictures, and their captions.

    Where no judge reads pictures, also whether the samples show these conditions. With a ``sheet`` for the closest
    pairs also whether they are copies. ``beside_real``: with what real pictures reach, where that says something.
    Where nothing but the Frechet distance wants features, memory does not grow with ``n``.
    """
    training = source.split("train")
    asked = SampleSet(config.n, config.n_reference, config.seed)
    prompts = asked.prompts(training)
    real = None
    if extractor is not None:
        families = _families(config)
        refuse_impossible(families, extractor)
        n_reference = len(asked.reference(training))
        refuse_few("the run's training split", n_reference, of_references(families), config.kid_size)
        real = RealFeatures(extractor, source, asked, Path(config.cache), config.batch_size)
        warn_of_few({"the run": config.n, "the reference": n_reference})
    drawn = generator(prompts, asked.keys(), batch_size=config.batch_size)
    pictures: Iterable[Tensor] = progress(drawn, config.n, config.batch_size, "developing for distances")
    scores: list[Tensor] = []
    if clip_score is not None:
        pictures = _scored(pictures, clip_score, captions_of(prompts), scores)
    found: dict[str, Any] = {}
    if extractor is None or real is None:
        for _ in pictures:  # for their scores
            pass
    else:
        sums = set(_families(config)) == {"fd"} and isinstance(source, Judged) and sheet is None
        every = spacing(config.n) if sums else 1
        rows = collected((features(extractor, [each]) for each in pictures), every=every)
        assert rows.rows is not None
        protocol = {"extractor": extractor.protocol, "reference": asked.facts(source), **conditions(training)}
        reference = real.reference(held=not sums or spacing(n_reference) == 1)
        sets = Sets(rows.rows, reference, protocol, config.kid_size, extractor, own=rows.moments)
        found |= {name: number for family in _families(config) for name, number in FAMILIES[family](sets).items()}
        if not isinstance(source, Judged):
            found |= of_conditions(sets, real, generator, beside_real=beside_real)
        if sheet is not None:
            found |= of_copies(sets, real, generator, sheet)
    if clip_score is not None:
        found |= of_captions(clip_score, torch.cat(scores), source, config.batch_size if beside_real else None)
    return found


def _scored(
    pictures: Iterable[Tensor], clip_score: ClipScore, captions: Sequence[str], scores: list[Tensor]
) -> Iterator[Tensor]:
    """``pictures`` as they come, batch by batch; ``scores`` gains those of each batch under its ``captions``."""
    start = 0
    for batch in pictures:
        scores.append(clip_score([batch], captions[start : start + len(batch)]))
        start += len(batch)
        yield batch


def _families(config: DictConfig) -> Sequence[str]:
    return _FAMILIES if config.metrics is None else config.metrics
