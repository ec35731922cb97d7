"""What a person reads of a condition, and which conditioners read what a person writes."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from darkroom.conditioning.class_label import ClassLabel
from darkroom.contracts import Prompts


def in_words(prompts: Prompts, names: Sequence[str] = ()) -> list[str] | None:
    """The captions, else the classes by name (by number where ``names`` has none), else None."""
    if prompts.caption is not None:
        return list(prompts.caption)
    if prompts.label is not None:
        return [names[label] if label < len(names) else f"class {label}" for label in prompts.label.tolist()]
    return None


def heard(conditioner: nn.Module, prompts: Prompts) -> list[str] | None:
    """Of what prompts ask the part that a conditioner, or those inside a module, reads, in words; None for nothing."""
    if prompts.caption is not None and text_readers(conditioner):
        return list(prompts.caption)
    if prompts.label is not None and any(isinstance(part, ClassLabel) for part in conditioner.modules()):
        return in_words(Prompts(label=prompts.label), class_names(conditioner))
    return None


def class_names(module: nn.Module) -> tuple[str, ...]:
    """The names that a conditioner, or the first inside a module, has for classes; none where it reads no class."""
    return next((part.names for part in module.modules() if isinstance(part, ClassLabel)), ())


def text_readers(conditioner: nn.Module) -> list[Any]:
    """The parts that read captions: those that tell which words they do not know."""
    return [part for part in conditioner.modules() if hasattr(part, "unknown_words")]


def refuse_deaf(module: nn.Module, key: str) -> None:
    """Raises ValueError where a module reads no captions, and ``key`` of the config wants one that does."""
    if not text_readers(module):
        raise ValueError(f"{key}: this run reads no captions, so that nothing can be held against them; leave it out")
