"""``evaluate.py probe=[RUN,RUN,...]``: which autoencoder is the best to train a denoiser on.

Equal reconstruction gives unequal generators: so the same small denoiser (``conf/experiment/probe.yaml``) is trained on
each for a fixed budget, and what the denoisers draw is compared by one judge.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from darkroom.autoencoding.artifact import find_artifact, read_hash
from darkroom.build import build
from darkroom.commands.console import console, progress
from darkroom.commands.distances import extractor_of, of_samples
from darkroom.commands.drawing import shared
from darkroom.commands.helpers import Helper, helping
from darkroom.commands.judging import drawn, judged, numbers
from darkroom.commands.load import device, load_first_stage, load_source
from darkroom.commands.measure import reads_text, sampling_protocol
from darkroom.commands.pictures import pictures_of
from darkroom.commands.probe_training import recipe, token_side, trained
from darkroom.commands.reconstructions import of_reconstructions
from darkroom.contracts import FirstStage, Judged, PictureDataset, PictureSource, to_float
from darkroom.files import write_json
from darkroom.generation.generator import Generator, NotFinite
from darkroom.metrics.extractor import FeatureExtractor
from darkroom.metrics.inference import exact_float32
from darkroom.metrics.latent_space import Collapsed, LatentDiagnostics, LatentSpace
from darkroom.metrics.titles import title
from darkroom.runs.folder import Run, find_run
from darkroom.runs.summary import provenance

AGREEMENT = "prompt_accuracy"
_Z = 1.96  # so many standard errors to each side make a 95 % interval


class Score(NamedTuple):
    """By which runs are ranked, and its 95 % interval over other samples, not over other trainings."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Probed:
    """What one autoencoder is worth, and where its denoiser lies."""

    run: Run
    denoiser: Run
    score: Score
    metrics: dict[str, Any]
    latents: LatentDiagnostics
    sampling: dict[str, Any]


class Judge(NamedTuple):
    """What all runs are measured by."""

    source: PictureSource
    extractor: FeatureExtractor | None

    @property
    def by(self) -> str:
        """The number that ranks."""
        return AGREEMENT if self.extractor is None else title("fd", self.extractor)


def probe(config: DictConfig) -> dict[str, Any]:
    """Writes ``probe.json`` into ``probing.folder``, or ``out``; answers what the file holds, the best run first.

    One whose latents are all alike, or whose denoiser's samples run away, is not ranked, and said to be not.

    Raises ValueError with one line where nothing can rank the runs, SystemExit where a training fails.
    """
    runs = [find_run(path) for path in config.probe]
    first_stages = [load_first_stage(run) for run in runs]
    source = load_source(runs[0].config)
    own = config.get("extractor") is not None
    judge = Judge(source, extractor_of(runs[0], config, first_stages[0]) if own else None)
    if not own and not isinstance(source, Judged):
        raise ValueError("probe: nothing ranks these runs; give extractor=NAME extractor.weights=FILE")
    side = token_side(source.resolution, [each.spec.factor for each in first_stages], config.probing.tokens)
    pairs = list(zip(runs, first_stages, strict=True))
    denoisers = [trained(run, recipe(run, source, config, side // each.spec.factor), config) for run, each in pairs]
    found, unranked = [], []
    with helping(config) as helpers:
        for denoiser, (run, first_stage) in zip(denoisers, pairs, strict=True):
            try:
                found.append(measured(run, denoiser, first_stage, judge, config, helpers))
            except (NotFinite, Collapsed) as error:
                console.print(f"warning: {run.id} is not ranked: {error}", style="yellow", soft_wrap=True)
                unranked.append({"run": str(run.path), "denoiser": str(denoiser.path), "error": str(error)})
    if not found:
        raise ValueError(f"probe: none of the runs can be ranked: {unranked[0]['error']}")
    ranking = sorted(found, key=lambda each: each.score.value if own else -each.score.value)
    facts = made(ranking[0], side, source, config)
    result = {"by": judge.by, "made": facts, "runs": [as_json(each) for each in ranking], "unranked": unranked}
    out = Path(config.out) if config.out is not None else Path(config.probing.folder) / "probe.json"
    write_json(out, result)
    console.print(table(ranking, judge.by))
    warn_of_ties(ranking, config.n)
    console.print(f"written to {out}", soft_wrap=True)
    return result


def measured(
    run: Run, denoiser: Run, first_stage: FirstStage, judge: Judge, config: DictConfig, helpers: Sequence[Helper]
) -> Probed:
    """What the denoiser draws, what the autoencoder reconstructs, and what its latents look like."""
    console.rule(f"measuring {run.id}")
    source, extractor = judge
    generator = shared(denoiser, config, helpers)
    lpips = None if config.get("perceptual") is None else build(config.perceptual)
    metrics = of_reconstructions(extractor, lpips, source, first_stage, config.batch_size).numbers
    if isinstance(source, Judged) and reads_text(generator):
        metrics |= as_asked(source, generator, config)
    if extractor is not None:
        frechet = config.copy()
        frechet.metrics = ["fd"]
        metrics |= of_samples(extractor, None, source, generator, frechet, beside_real=False)
    return Probed(
        run=run,
        denoiser=denoiser,
        score=score(judge.by, metrics),
        metrics=metrics,
        latents=latent_space(first_stage, source.split("validation"), config.batch_size),
        sampling=sampling_protocol(generator, config),
    )


def as_asked(source: Judged, generator: Generator, config: DictConfig) -> dict[str, Any]:
    """The share of samples that show their caption."""
    captions = list(source.challenge("seen", config.n, config.seed).captions or ())
    pictures = drawn(generator, captions, "seen", config)
    verdicts = judged(source, pictures.split(config.batch_size), captions)
    return {AGREEMENT: numbers(source, verdicts, AGREEMENT, config, of="seen")[AGREEMENT]}


def score(by: str, metrics: Mapping[str, Any]) -> Score:
    """Raises ValueError where there is none: a judge without captions."""
    if by not in metrics:
        raise ValueError("probe: these denoisers read no text to be judged by; give extractor=NAME, or other settings")
    value = metrics[by]["value"]
    if "interval" in metrics[by]:
        return Score(value, *metrics[by]["interval"])
    return Score(value, value - _Z * metrics[by]["sd"], value + _Z * metrics[by]["sd"])


def latent_space(first_stage: FirstStage, pictures: PictureDataset, batch_size: int) -> LatentDiagnostics:
    """Of all ``pictures``, normalised as a denoiser sees them."""
    space = LatentSpace(*first_stage.spec.shape(pictures.oriented([0], mirrored=False).shape[-1]))
    batches = pictures_of(pictures, batch_size)
    with exact_float32(device()):
        for image in progress(batches, len(pictures), batch_size, "looking at latents"):
            space.update(first_stage.encode(to_float(image.to(device()))))
    return space.compute()


def warn_of_ties(ranking: Sequence[Probed], n: int) -> None:
    """Says which neighbours may have changed places by chance."""
    for better, worse in itertools.pairwise(ranking):
        if tied(better.score, worse.score):
            pair = f"{better.run.id} and {worse.run.id}"
            say = f"{pair} are not told apart by {n} samples: their 95 % intervals overlap"
            console.print(f"warning: {say}", style="yellow", soft_wrap=True)


def tied(a: Score, b: Score) -> bool:
    """Whether two scores may be one."""
    return a.low <= b.high and b.low <= a.high


def made(of: Probed, side: int, source: PictureSource, config: DictConfig) -> dict[str, Any]:
    """What is alike for all: the budget, the data and the drawing; which code measured on which machine."""
    training: Any = OmegaConf.to_container(of.denoiser.config, resolve=True)
    return {
        "budget": {key: training[key] for key in ("max_steps", "batch_size", "seed")},
        "tokens": (source.resolution // side) ** 2,
        "settings": config.probing.settings,
        "network": {key: value for key, value in training["network"].items() if key != "patch"},  # which follows tokens
        "sampling": of.sampling,
        "n_reference": config.n_reference,
        "data": source.fingerprint,
        **provenance(device()),
    }


def as_json(each: Probed) -> dict[str, Any]:
    """One run's part of the file; each of the metrics has its protocol."""
    summary = each.denoiser.summary
    latents = asdict(each.latents) | {"eigenvalues": each.latents.eigenvalues.tolist()}
    return {
        "run": str(each.run.path),
        "denoiser": str(each.denoiser.path),
        "first_stage": read_hash(find_artifact(each.run.path)),
        "score": each.score._asdict(),
        "metrics": each.metrics,
        "latent_space": latents,
        "training": {key: summary.get(key) for key in ("step", "seconds", "parameters", "git_commit", "val/loss")},
    }


def table(ranking: Sequence[Probed], by: str) -> Table:
    """For the terminal: the best run first, a column each."""
    shown = Table("", *(f"{place}. {each.run.id}" for place, each in enumerate(ranking, 1)), box=None)
    columns = []
    for each in ranking:
        values = {name: number["value"] for name, number in each.metrics.items()}
        spectrum = {f"spectrum_{name}": getattr(each.latents, name) for name in ("low", "middle", "high")}
        names = ("effective_rank", "largest_correlation", "noise_share")
        latents = {name: getattr(each.latents, name) for name in names} | spectrum
        shape = {"channels": len(each.latents.eigenvalues)}
        interval = {"  low": each.score.low, "  high": each.score.high}
        columns.append({by: each.score.value} | interval | values | shape | latents)
    for name in columns[0]:
        shown.add_row(name, *(f"{column[name]:.4g}" for column in columns))
    shown.title, shown.title_justify = f"ranked by {by}; intervals are over other samples, not other trainings", "left"
    return shown
