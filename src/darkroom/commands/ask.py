"""Under which conditions ``sample.py`` draws: what was asked for, or what training saw."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from omegaconf import DictConfig
from torch import nn

from darkroom.commands.checking.trained import Reads
from darkroom.commands.console import console
from darkroom.commands.load import load_source
from darkroom.conditioning.words import text_readers
from darkroom.contracts import Prompts
from darkroom.data.prompts import PromptTable
from darkroom.keys import permutation
from darkroom.runs.folder import Run


def prompts_for(run: Run, config: DictConfig) -> Prompts:
    """``n`` times what was asked for; where nothing was, conditions of training in an order of the seed.

    Condition k does not depend on ``n``. The empty prompts of an unconditional run still count the pictures.
    """
    reads = Reads.of(run.config.get("conditioner"))
    if config.prompt is None and config.label is None:
        return _of_training(run, reads, config.n, config.seed)
    number = None if config.label is None else reads.number(str(config.label))
    return Prompts(
        label=None if number is None else torch.full((config.n,), number),
        caption=None if config.prompt is None else (config.prompt,) * config.n,
    )


def _of_training(run: Run, reads: Reads, n: int, seed: int) -> Prompts:
    if not reads.text:  # the config tells the classes: no need of the data
        order = _order(max(reads.classes, 1), n, seed)
        return Prompts(label=torch.tensor(order))
    pictures = load_source(run.config).split("train")
    order = _order(len(pictures), n, seed)
    prompts = PromptTable(pictures)[order]
    return prompts if reads.classes else replace(prompts, label=None)


def _order(size: int, n: int, seed: int) -> list[int]:
    """``n`` of 0..size-1, each once before any comes again."""
    order = permutation(size, seed=seed, purpose="sample conditions")
    return [int(order[i % size]) for i in range(n)]


def say_conditions(config: DictConfig, words: Sequence[str] | None) -> None:
    """What is drawn: the one thing that was asked for, or the conditions of training, each once."""
    if words is None:
        console.print("drawing without a condition: the run was trained on none")
    elif config.prompt is not None or config.label is not None:
        console.print(f"drawing: {words[0]}", soft_wrap=True)
    else:
        console.print("neither prompt nor label was given: drawing under conditions of the training")
        for line in dict.fromkeys(words):
            console.print(f"  {line}", soft_wrap=True)


def warn_of_words(conditioner: nn.Module, config: DictConfig) -> None:
    """One line each for words that say nothing to the run, and for text that is too long for it to read."""
    readers = text_readers(conditioner)
    for key in ("prompt", "negative_prompt"):
        text = config[key]
        for reader in readers if text is not None else []:
            if unknown := reader.unknown_words([text]):
                held = "no training caption held" if len(unknown) > 1 else "no training caption held the word"
                _warn(f"{key}: {held} {', '.join(unknown)}; the run reads nothing there")
            if reader.truncated([text]):
                _warn(f"{key}: is longer than the {reader.context_length} tokens that the run reads; its end is cut")


def _warn(line: str) -> None:
    console.print(f"warning: {line}", style="yellow", soft_wrap=True)
