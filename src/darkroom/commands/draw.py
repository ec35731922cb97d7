"""What ``sample.py`` does once its arguments are checked: load, draw, save."""

import datetime
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from darkroom.commands.console import console
from rich.progress import track
from torch import Tensor

from darkroom.callbacks.first_batch import captions
from darkroom.commands.load import load_generator, load_source
from darkroom.contracts import ConditionSpec, Prompts
from darkroom.data.latents import PromptTable
from darkroom.generation.generator import Generator, select
from darkroom.keys import keys, permutation
from darkroom.runs.folder import Run, find_run
from darkroom.runs.pictures import save_grid


def draw(config: DictConfig) -> None:
    """Writes ``00000.png ...``, a captioned ``grid.png`` and ``prompts.jsonl`` into ``out``.

    Raises ValueError or OSError with one line for what only the run can tell.
    """
    run = find_run(config.run)
    generator = configured(run, config)
    prompts = prompts_for(run, config, generator)
    out = output_folder(run, config.out)
    start = keys(seed=config.seed, purpose="sample", places=range(config.n))
    batches = generator(prompts, start, batch_size=config.batch_size, negative=config.negative_prompt)
    total = -(-config.n // config.batch_size)
    pictures = torch.cat(list(track(batches, total=total, description="developing", console=console)))
    save(out, pictures, captions(prompts, config.n), classes_of(run))
    console.print(f"{config.n} pictures in {out}, together in {out / 'grid.png'}", soft_wrap=True)


def configured(run: Run, config: DictConfig) -> Generator:
    """The run's generator with the sampler, steps and guidance of the command line."""
    nodes = {}
    for name, key, given in (("sampler", "num_steps", config.steps), ("guidance", "scale", config.guidance_scale)):
        node = config.get(name) if config.get(name) is not None else run.config.get(name)
        if given is not None and node is None:
            raise ValueError(f"guidance_scale={given}: the run was trained without guidance; add guidance=cfg")
        nodes[name] = None if node is None else OmegaConf.to_container(node, resolve=True)
        if given is not None:
            nodes[name][key] = given
    return load_generator(run, **nodes)


def prompts_for(run: Run, config: DictConfig, generator: Generator) -> Prompts:
    """``n`` times what was asked for; where nothing was, conditions of training pictures, which are printed.

    Raises ValueError where the run cannot be asked that.
    """
    spec = generator.model.conditioner.spec
    node = run.config.conditioner._target_.rpartition(".")[2]
    if config.prompt is not None:
        if not hasattr(generator.model.conditioner, "unknown_words"):
            raise ValueError(f"prompt={config.prompt}: the run was trained with {node}, which reads no text")
        return Prompts(caption=(config.prompt,) * config.n)
    if config.label is not None:
        return Prompts(label=torch.full((config.n,), label_number(run, config.label, node)))
    if spec == ConditionSpec():
        return Prompts(label=torch.zeros(config.n, dtype=torch.int64))  # counts the pictures, steers nothing
    table = PromptTable(load_source(run.config).split("train"))
    order = permutation(len(table), seed=config.seed, purpose="sample conditions")
    prompts = table[[int(order[i % len(order)]) for i in range(config.n)]]
    console.print("no prompt or label was given: drawing under conditions of the training data")
    for line in dict.fromkeys(captions(prompts, config.n) or []):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    return prompts


def label_number(run: Run, label: str | int, conditioner: str) -> int:
    """A class's number from its name or number; raises ValueError where there is no such class."""
    node = run.config.conditioner
    if "num_classes" not in node:
        raise ValueError(f"label={label}: the run was trained with {conditioner}, which reads no class")
    names = classes_of(run) or ()
    if str(label) in names:
        return names.index(str(label))
    if str(label).isdigit() and int(label) < node.num_classes:
        return int(label)
    known = ", ".join(names) or f"0..{node.num_classes - 1}"
    raise ValueError(f"label={label} is none of the run's {node.num_classes} classes: {known}")


def classes_of(run: Run) -> tuple[str, ...] | None:
    """The names of the run's classes, in the order of their labels."""
    names = run.config.get("classes")
    return None if names is None else tuple(names)


def output_folder(run: Run, out: str | None) -> Path:
    """A new or empty folder; raises FileExistsError where it holds files."""
    folder = Path(out) if out is not None else run.samples / f"{datetime.datetime.now():%Y%m%d-%H%M%S}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"out={folder} exists and is not an empty folder; choose another")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def save(
    folder: Path, pictures: UInt8[Tensor, "n 3 H W"], texts: Sequence[str] | None, classes: Sequence[str] | None
) -> None:
    """The pictures one by one, together as a grid, and their conditions a line each."""
    del classes
    for number, picture in enumerate(pictures):
        Image.fromarray(picture.permute(1, 2, 0).cpu().numpy()).save(folder / f"{number:05d}.png")
    lines = [
        json.dumps({"file_name": f"{i:05d}.png", "text": text}, ensure_ascii=False)
        for i, text in enumerate(texts or [])
    ]
    if lines:
        (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    save_grid(folder / "grid.png", pictures, texts)
