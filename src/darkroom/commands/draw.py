"""What ``sample.py`` does once its arguments are checked: load, draw, save."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from torch import Tensor

from darkroom.commands.ask import prompts_for, say_conditions, warn_of_words
from darkroom.commands.checking.written import sheet_of
from darkroom.commands.console import console, progress
from darkroom.commands.load import load_first_stage, load_generator
from darkroom.conditioning.words import class_names, in_words
from darkroom.contracts import ConditionSpec
from darkroom.files import naming, write_text
from darkroom.generation.generator import Generator
from darkroom.keys import keys
from darkroom.runs.folder import Run, find_run
from darkroom.runs.pictures import save_grid

SHEET = 100  # so many pictures the sheet shows


def draw(config: DictConfig) -> None:
    """Writes ``00000.png ...`` and ``metadata.jsonl`` with their conditions into ``out``, a captioned sheet beside it.

    In float32, so that another ``batch_size`` moves no picture by more than a level. Raises ValueError or OSError with
    one line for what only the run can tell.
    """
    run = find_run(config.run)
    generator = replace(configured(run, config), bf16=False)
    conditioner = generator.model.conditioner
    warn_of_words(conditioner, config)
    prompts = prompts_for(run, config)
    words = None if conditioner.spec == ConditionSpec() else in_words(prompts, class_names(conditioner))
    say_conditions(config, words)
    console.print(settings(generator, config), soft_wrap=True)
    out = output_folder(run, config.out)
    start = keys(seed=config.seed, purpose="sample", places=range(config.n))
    batches = generator(prompts, start, batch_size=config.batch_size, negative=config.negative_prompt)
    followed = progress(batches, config.n, config.batch_size, "developing")
    drawn = [save(out, number * config.batch_size, batch) for number, batch in enumerate(followed)]
    if words:
        write_metadata(out, words)
    save_grid(sheet_of(out), torch.cat(drawn)[:SHEET], words and words[:SHEET])
    console.print(f"drawn into {out}", soft_wrap=True)
    console.print(f"together: {sheet_of(out)}", soft_wrap=True)


def configured(run: Run, config: DictConfig) -> Generator:
    """The run's generator with the sampler, steps and guidance of the command line."""
    return load_generator(
        run,
        load_first_stage(run),
        checkpoint=config.checkpoint,
        ema=config.ema,
        sampler=_node(run, config, "sampler", num_steps=config.steps),
        guidance=_node(run, config, "guidance", scale=config.guidance_scale),
        tower=config.conditioner.pretrained,
    )


def _node(run: Run, config: DictConfig, name: str, **given: Any) -> dict[str, Any] | None:
    """The command line's node, else the run's, with the values that were given."""
    node = config.get(name) if config.get(name) is not None else run.config.get(name)
    if node is None:
        return None
    plain: Any = OmegaConf.to_container(node, resolve=True)
    return plain | {key: value for key, value in given.items() if value is not None}


def settings(generator: Generator, config: DictConfig) -> str:
    """How the pictures are drawn, on one line."""
    plan, device = generator.plan, next(generator.model.parameters()).device
    scale = getattr(generator.guidance, "scale", None)
    parts = [
        f"{config.n} picture{'' if config.n == 1 else 's'}",
        f"{plan.num_steps} steps of {sampler_name(generator)}",
        f"seed {config.seed}",
        f"on {device}",
    ]
    if scale not in (None, 1.0) and generator.model.conditioner.spec != ConditionSpec():
        parts.insert(2, f"guidance {scale:g}")
    if config.ema is not None:
        parts.insert(2, f"averaged over {config.ema:g}")
    return ", ".join(parts)


def sampler_name(generator: Generator) -> str:
    """The function that draws, whose other arguments the config has bound."""
    sampler: Any = generator.plan.sampler
    return getattr(sampler, "func", sampler).__name__


def output_folder(run: Run, out: str | None) -> Path:
    """``out``, or a new folder in the run's ``samples/`` named by the time."""
    # microseconds: quick jobs of one sweep begin within a second
    folder = Path(out) if out is not None else run.samples / f"{datetime.datetime.now():%Y%m%d-%H%M%S-%f}"
    folder.mkdir(parents=True, exist_ok=out is not None)
    return folder


def save(folder: Path, first: int, pictures: UInt8[Tensor, "n 3 H W"]) -> UInt8[Tensor, "n 3 H W"]:
    """Writes pictures one by one, numbered from ``first``; answers those that the sheet may show."""
    pictures = pictures.cpu()
    for number, picture in enumerate(pictures, first):
        path = folder / f"{number:05d}.png"
        with naming(path):
            Image.fromarray(picture.permute(1, 2, 0).numpy()).save(path)
    return pictures[: max(0, SHEET - first)]


def write_metadata(folder: Path, words: Sequence[str]) -> None:
    """``metadata.jsonl`` as data=image_folder reads it: a condition for each picture."""
    rows = ({"file_name": f"{number:05d}.png", "text": text} for number, text in enumerate(words))
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_text(folder / "metadata.jsonl", text)
