"""``evaluate.py run=RUN sweep.guidance_scale=[1,2,3] sweep.steps=[5,10,20]``: which settings draw best.

Every combination is measured on few samples of one seed; the best is measured again on the samples of another, since
the best of many numbers is too good to be true. One whose samples run away is left out, and said to be.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict
from rich.table import Table

from darkroom.commands.checking.compose import Space
from darkroom.commands.checking.sweep import sampler_node
from darkroom.commands.checking.swept import SWEPT
from darkroom.commands.console import console
from darkroom.commands.distances import clip_score_of, extractor_of, of_samples
from darkroom.commands.draw import configured
from darkroom.commands.drawing import shared
from darkroom.commands.helpers import helping
from darkroom.commands.judging import drawn, judged, numbers
from darkroom.commands.load import device, load_first_stage, load_source
from darkroom.commands.measure import reads_text, sampling_protocol
from darkroom.commands.plots import save_plots
from darkroom.commands.tracking import track
from darkroom.contracts import Judged, PictureSource
from darkroom.files import digest, write_json
from darkroom.generation.generator import Generator, NotFinite
from darkroom.metrics.better import less_is_better
from darkroom.metrics.clip_score import ClipScore
from darkroom.metrics.extractor import FeatureExtractor
from darkroom.metrics.titles import title
from darkroom.runs.checkpoint import step_of
from darkroom.runs.folder import find_run
from darkroom.runs.summary import provenance


def sweep(config: DictConfig) -> dict[str, Any]:
    """Writes ``sweep.json`` and ``sweep.png`` into the run, or beside ``out``; answers what the file holds.

    Raises ValueError with one line where nothing can be measured, where the samples of every combination run away, and
    for a sampler that the run's process forbids.
    """
    run = find_run(config.run)
    source, first_stage = load_source(run.config), load_first_stage(run)
    judges = extractor_of(run, config, first_stage), clip_score_of(config, configured(run, config))
    out = Path(config.out) if config.out is not None else run.path / "sweep.json"
    seed = config.seed + 1
    ran_away: list[dict[str, Any]] = []
    with helping(config) as helpers:

        def of(setting: dict[str, Any], **changes: Any) -> Measured | None:
            asked = with_setting(config, setting, **changes)
            generator = shared(run, asked, helpers)
            try:
                row, told = measured(generator, source, *judges, asked)
            except NotFinite as error:
                ran_away.append({**setting, "seed": asked.seed, "error": str(error)})
                console.print(f"warning: {words(setting)}: is left out, {error}", style="yellow", soft_wrap=True)
                return None
            return Measured(setting, row, {"numbers": told, "drawn": sampling_protocol(generator, asked)})

        tried = map(partial(of, n=config.sweep.n), announced(settings(config.sweep)))
        found = [each for each in tried if each is not None]
        own = None if config.get("extractor") is None else judges[0]
        metric, ranking = ranked(found, None if own is None else title("fd", own))
        again = (of(each.setting, n=config.n, seed=seed) for each in ranking)
        winner = next((each for each in again if each is not None), None)
    if winner is None:
        raise ValueError("sweep: the samples of every setting run away; guide less, or take more steps")
    rows = [each.setting | each.row for each in found]
    path = run.trained(config.checkpoint)
    made = {"run": str(run.path), "data": source.fingerprint, "step": step_of(path), "checkpoint": digest(path)}
    made |= {"n_reference": config.n_reference, **provenance(device())}
    result = {
        "search": {"seed": config.seed, "n": config.sweep.n, "rows": rows},
        "ran_away": ran_away,
        "winner": {"by": metric, "seed": seed, "n": config.n, **winner.setting, **winner.row, **winner.facts},
        "made": made,
    }
    write_json(out, result)
    save_plots(out.with_suffix(".png"), rows)
    console.print(table(rows, f"{run.id}: {config.sweep.n} samples each, seed {config.seed}"))
    console.print(table([winner.setting | winner.row], f"the best by {metric}, on {config.n} samples of seed {seed}"))
    console.print(f"written to {out} and {out.with_suffix('.png')}", soft_wrap=True)
    track(run, {f"best_{name}": value for name, value in {**winner.setting, **winner.row}.items()})
    return result


class Measured(NamedTuple):
    """One combination, what was found of it, and how it was drawn and measured."""

    setting: dict[str, Any]
    row: dict[str, float]
    facts: dict[str, Any]


def ranked(found: Sequence[Measured], by: str | None = None) -> tuple[str, list[Measured]]:
    """The best first, and by which metric: ``by``, else the first that there is. Others decide where it is the same.

    One that is the same for all is not named, since it decides nothing. Nothing of nothing.
    """
    if not found:
        return "", []
    names = sorted((name for name in found[0].row if name != "network_evaluations"), key=lambda name: name != by)

    def worth(each: Measured) -> list[float]:
        return [each.row[name] if less_is_better(name) else -each.row[name] for name in names]

    decides = (name for name in names if any(each.row[name] != found[0].row[name] for each in found))
    return next(decides, names[0]), sorted(found, key=worth)


def announced(settings: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Says each before it is tried."""
    for setting in settings:
        console.print(words(setting))
        yield setting


def settings(asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of the values that are given."""
    lists = {name: list(asked[name]) for name in SWEPT if asked[name]}
    for values in itertools.product(*lists.values()):
        yield dict(zip(lists, values, strict=True))


def with_setting(config: DictConfig, setting: Mapping[str, Any], **changes: Any) -> DictConfig:
    """The command's config with one combination in it."""
    config = config.copy()
    with open_dict(config):
        for name, value in {**setting, **changes}.items():
            config[name] = sampler_node(value, space()) if name == "sampler" else value
    return config


def space() -> Space:
    """Where Hydra composed the command's config from."""
    folder = next(each.path for each in HydraConfig.get().runtime.config_sources if each.provider == "main")
    return Space(Path(folder), "evaluate")


def measured(
    generator: Generator,
    source: PictureSource,
    extractor: FeatureExtractor | None,
    clip_score: ClipScore | None,
    config: DictConfig,
) -> tuple[dict[str, float], dict[str, Any]]:
    """Agreement where there is a judge, the Frechet distance where there is an extractor, the CLIP score where it is
    asked for, and what a sample costs; the second answer has the first three with their errors and protocols.
    """
    told: dict[str, Any] = {}
    batches, own = 0, -(-config.n // (config.batch_size * config.devices))  # of every drawing, where calls are counted
    with evaluations(generator) as calls:
        if isinstance(source, Judged) and reads_text(generator):
            captions = list(source.challenge("seen", config.n, config.seed).captions or ())
            pictures = drawn(generator, captions, "seen", config)
            verdicts = judged(source, pictures.split(config.batch_size), captions)
            name = "prompt_accuracy"
            told[name] = numbers(source, verdicts, name, config, of="seen")[name]
            batches += own
        if extractor is not None or clip_score is not None:
            fd = with_setting(config, {}, metrics=["fd"])
            told |= of_samples(extractor, clip_score, source, generator, fd, beside_real=False)
            batches += own
    if not told:
        raise ValueError("sweep: nothing measures this run's samples; give extractor=NAME extractor.weights=FILE")
    values = {name: each["value"] for name, each in told.items()}
    return {"network_evaluations": len(calls) / batches, **values}, told


@contextmanager
def evaluations(generator: Generator) -> Iterator[list[None]]:
    """Counts the calls of the network while it draws, with and without a condition: an entry each."""
    calls: list[None] = []
    hook = generator.model.network.register_forward_pre_hook(lambda *_: calls.append(None))
    try:
        yield calls
    finally:
        hook.remove()


def words(setting: Mapping[str, Any]) -> str:
    """A combination on one line."""
    return ", ".join(f"{name}={value}" for name, value in setting.items())


def table(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    """For the terminal."""
    shown = Table(*rows[0], title=title, box=None, title_justify="left")
    for row in rows:
        shown.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    return shown
