"""The only place where a config node becomes an object.

A node is a mapping with ``_target_``; what it may name is limited to the packages below, at any depth, so that a config
file cannot call whatever Python has. ``_keys_`` beside it lists what the check lets through to a ``**kwargs``
(``darkroom.commands.checking.nodes``) and is taken out here.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

PACKAGES = ("darkroom", "torch", "torchvision", "timm", "open_clip", "torchmetrics", "lightning", "wandb")


def build(node: Any, **extra: Any) -> Any:
    """The object that ``node`` (a mapping with ``_target_``, or a list or mapping of such) describes.

    ``extra`` are arguments that only the program knows; they go straight to the constructor, past OmegaConf, which
    would turn a dataclass into a mapping. A node with ``_partial_: true`` gives a partial that holds them.

    Raises ValueError in one line: where a ``_target_`` lies outside :data:`PACKAGES` or is not to be found, and where a
    constructor refuses its arguments (its own error stays chained).
    """
    plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    plain = literal(literal(without_keys(plain)))  # Hydra makes it a config once more, and resolves that twice
    for target in targets(plain):
        if not permitted(target):
            raise ValueError(f"_target_: {target} lies outside the packages a config may build: {', '.join(PACKAGES)}")
    try:
        if not extra:
            return instantiate(plain, _convert_="all")
        made = instantiate({**plain, "_partial_": True}, _convert_="all")
        return functools.partial(made, **extra) if plain.get("_partial_") else made(**extra)
    except InstantiationException as error:
        raise ValueError(_one_line(plain, error)) from error
    except Exception as error:  # the constructor's own, with extra; Hydra turns any into its own where there is none
        raise ValueError(f"{plain['_target_']}: {_words(error)}") from error


def literal(node: Any) -> Any:
    """``node`` with every string in it escaped: a resolved config whose values mean themselves, whatever they hold."""
    if isinstance(node, Mapping):
        return {key: literal(value) for key, value in node.items()}
    if isinstance(node, Sequence) and not isinstance(node, str):
        return [literal(value) for value in node]
    return escaped(node) if isinstance(node, str) else node


def escaped(text: str) -> str:
    """``text`` as a string in a config or a yaml that OmegaConf is not to interpolate."""
    return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", text)


def permitted(target: str) -> bool:
    """Whether a config may name ``target``."""
    return target.split(".")[0] in PACKAGES


def targets(node: Any) -> Iterator[str]:
    """Every ``_target_`` in ``node``, at any depth."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for value in node:
            yield from targets(value)


def without_keys(node: Any) -> Any:
    """``node`` without ``_keys_``, at any depth."""
    if isinstance(node, Mapping):
        return {key: without_keys(value) for key, value in node.items() if key != "_keys_"}
    if isinstance(node, Sequence) and not isinstance(node, str):
        return [without_keys(value) for value in node]
    return node


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _one_line(node: Any, error: InstantiationException) -> str:
    """The cause in the words of whoever raised it; Hydra's own words where it found no target."""
    target = node.get("_target_", "nodes") if isinstance(node, Mapping) else "nodes"
    lines = [line.strip() for line in str(error).splitlines()]
    inner = next((line.partition(":")[2].strip() for line in lines if line.startswith("full_key")), "")
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return f"{target}{f' ({inner})' if inner else ''}: {lines[0] if cause is error else _words(cause)}"
