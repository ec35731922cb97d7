"""Whether samples show what they were asked for, where no judge reads pictures; beside what real pictures reach."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from darkroom.commands.console import progress
from darkroom.commands.pictures import pictures_of
from darkroom.commands.real_features import RealFeatures
from darkroom.conditioning.text import captions_of
from darkroom.conditioning.words import heard
from darkroom.contracts import PictureSource
from darkroom.data.prompts import PromptTable
from darkroom.generation.generator import Generator
from darkroom.generation.sample_set import conditions
from darkroom.metrics.agreement import wilson
from darkroom.metrics.clip_score import ClipScore, told
from darkroom.metrics.distances import Sets
from darkroom.metrics.means import mean
from darkroom.metrics.nearest_agreement import Named
from darkroom.metrics.protocol import measured


def of_conditions(sets: Sets, real: RealFeatures, generator: Generator, *, beside_real: bool) -> dict[str, Any]:
    """``agreement_<extractor>``: the share of samples whose nearest training picture shows what was asked for.

    Beside it stands as ``real`` the same of validation pictures, which samples will hardly exceed; not where no
    training picture shows what they do, as with captions of one picture each. ``chance`` is what the same samples would
    reach if they had been asked for each other's conditions. Nothing without conditions. All real pictures go through
    the first stage, as samples come out of it.
    """
    samples = real.samples
    training, validation = (real.source.split(name) for name in ("train", "validation"))
    held_out = PromptTable(validation)[range(len(validation))]
    prompts = samples.prompts(training), samples.reference_prompts(training), held_out
    asked, shown, beside = (heard(generator.model.conditioner, each) for each in prompts)
    if asked is None or shown is None or beside is None:
        return {}
    named = Named(real.memory(generator.first_stage, mirrored=False), shown)
    found = named.agreement(sets.generated, asked)
    if not found.n:
        return {}
    own = named.agreement(real.held_out(generator.first_stage), beside) if beside_real else None
    metric = {"name": "agreement", "neighbours": 1, "through": generator.first_stage.spec.hash}
    ceiling = own.right / own.n if own is not None and own.n else None
    beside_it = {"interval": list(wilson(found.right, found.n)), "judged": found.n, "real": ceiling}
    return {sets.title("agreement"): sets.number(found.right / found.n, metric, chance=found.chance, **beside_it)}


def of_captions(
    clip_score: ClipScore, scores: Float[Tensor, " n"], source: PictureSource, batch_size: int | None
) -> dict[str, Any]:
    """``clip_score_<model>``: the mean over samples with its standard error, and ``real``, that of validation pictures.

    ``cut`` tells how many captions of the training are longer than the model reads. Without a ``batch_size`` real
    pictures are not looked at.
    """
    training, validation = (source.split(name) for name in ("train", "validation"))
    scores = told(scores)
    real = None
    if batch_size is not None:
        captions = captions_of(PromptTable(validation)[range(len(validation))])
        batches = progress(pictures_of(validation, batch_size), len(validation), batch_size, "scoring real pictures")
        real = told(clip_score(batches, captions)).mean().item()
    facts = {"data": source.fingerprint, **conditions(training), "m": len(scores)}
    score, cut = mean(scores), len(clip_score.truncated(training.captions or ()))
    protocol = {"metric": clip_score.protocol, **facts}
    return {clip_score.name: measured(score.value, protocol, sd=score.sd, real=real, cut=cut)}
