"""Faults of a composed config: each node with ``_target_`` held against the signature that it names.

A target that takes ``**kwargs`` says nothing of their names; a node lists those it may pass in ``_keys_``:

    _target_: lightning.pytorch.loggers.WandbLogger
    _keys_: [tags, notes]  # of wandb.init
"""

import math
import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from darkroom.build import PACKAGES, permitted
from darkroom.commands.checking.compose import Composition, words
from darkroom.commands.checking.modules import NotThere
from darkroom.commands.checking.signatures import Parameter, Signature, signature
from darkroom.commands.checking.spelling import meant, nearest

MADE = ("run_id", "conditioner")  # root keys where the program fills in ???: from the clock, from the data
_SPECIAL = {"_target_", "_partial_", "_convert_", "_recursive_", "_keys_"}


def node_faults(composition: Composition) -> Iterator[str]:
    """Every fault of every node and value, a line each."""
    for key, node in _walk(composition.config):
        if _is_node(node):
            yield from _of_node(composition, key, node)
        elif _is_mapping(node):
            yield from _of_mapping(composition, key, node)


def value_faults(composition: Composition) -> Iterator[str]:
    """Values that are missing, interpolations that lead nowhere, and numbers that no setting can be."""
    for key, node in _walk(composition.config):
        if isinstance(node, DictConfig | ListConfig) and not node._is_interpolation():
            continue
        parent, last = node._get_parent(), node._key()
        if node._is_missing():
            if key.split(".")[0] not in MADE:
                yield f"{key} is not set; give {key}=VALUE{composition.comment(key)} ({composition.file(key)})"
        elif isinstance(value := node._value(), float) and not math.isfinite(value):
            yield f"{key}={value}: must be a finite number ({composition.file(key)})"
        elif node._is_interpolation():
            yield from _of_interpolation(composition, key, parent, last)


def _of_interpolation(composition: Composition, key: str, parent: Any, last: Any) -> Iterator[str]:
    text = OmegaConf.to_container(parent, resolve=False)[last]  # type: ignore[index]
    try:
        parent[last]
    except InterpolationToMissingValueError:  # told of at the missing value
        return
    except OmegaConfBaseException as error:
        yield f"{key}: {text} leads nowhere; {words(error).partition(' full_key')[0]} ({composition.file(key)})"


def typed(composition: Composition, key: str, value: Any, parameter: Parameter) -> str | None:
    """The fault of a value that its annotation does not allow."""
    if parameter.wants is None or isinstance(value, DictConfig) or parameter.wants.allows(value):
        return None
    shown = repr(value) if isinstance(value, str) else value
    named = [str(each) for each in parameter.wants.values if each is not None]
    near = nearest(value, named) if isinstance(value, str) else None
    choices = f"{'one of ' if len(named) > 1 else ''}{', '.join(named)}"
    text = choices if named and not parameter.wants.types else parameter.wants.text
    if list in parameter.wants.types and not OmegaConf.is_list(value):
        text += f"; a list is written {key}=[A,B]"
    return f"{key}={shown}: wants {text}{f'; did you mean {near}?' if near else ''} ({composition.file(key)})"


def _is_mapping(node: Any) -> bool:
    """Whether it has keys of its own: no null, no interpolation."""
    return isinstance(node, DictConfig) and not _is_hollow(node)


def _is_hollow(node: Any) -> bool:
    """Whether it holds nothing of its own: null, missing or an interpolation."""
    return node._is_none() or node._is_missing() or node._is_interpolation()


def _is_node(node: Any) -> bool:
    return _is_mapping(node) and "_target_" in node.keys()  # noqa: SIM118


def _of_mapping(composition: Composition, key: str, node: DictConfig) -> Iterator[str]:
    """A misspelt ``_target_``; beside entries that have it one that has not, and one that is null and nowhere else.

    The last two are misspelt names, most often.
    """
    if near := _like_target(node):
        yield f"{key}.{near}: did you mean _target_? ({composition.file(f'{key}.{near}')})"
        return
    inner = {str(name): node._get_node(name) for name in node}
    nodes = {name for name, each in inner.items() if _is_node(each)}
    others = {name: each for name, each in inner.items() if name not in nodes and not isinstance(each, ListConfig)}
    strays = {name: each for name, each in others.items() if not _is_hollow(each)}
    for name, each in strays.items() if nodes else ():
        if not (isinstance(each, DictConfig) and _like_target(each)):  # told of at that mapping
            where = composition.file(f"{key}.{name}")
            yield f"{key}.{name}: says not what to build, it has no _target_{meant(name, nodes)} ({where})"
    nulls = {name for name, each in others.items() if nodes and each is not None and each._is_none()}
    unknown = {name for name in sorted(nulls) if composition.only_nulled(f"{key}.{name}")}
    for name in sorted(unknown):
        where = composition.file(f"{key}.{name}")
        yield f"{key}.{name}=null: there is no {name} to leave out{meant(name, nodes | nulls - unknown)} ({where})"


def _like_target(node: DictConfig) -> str | None:
    """A key that was meant to be ``_target_``."""
    return nearest("_target_", [key for key in map(str, node) if key.startswith("_")])


def _of_node(composition: Composition, key: str, node: DictConfig) -> Iterator[str]:
    key_of_target = f"{key}._target_"
    target = node.get("_target_")
    own = composition.config.get("packages") or ()
    if not isinstance(target, str) or not permitted(target, own):
        known = ", ".join([*PACKAGES, *own])
        where = composition.file(key_of_target)
        yield f"{key_of_target}={target}: a config may build what lies in {known}; packages=[NAME] adds one ({where})"
        return
    try:
        found = signature(target)
    except NotThere as missing:
        yield f"{key_of_target}={target}: {missing} ({composition.file(key_of_target)})"
        return
    if found is not None:
        yield from _of_arguments(composition, key, node, target, found)


def _of_arguments(composition: Composition, key: str, node: DictConfig, target: str, taken: Signature) -> Iterator[str]:
    allowed = {*taken.parameters, *(node.get("_keys_") or ())}
    given = [str(each) for each in node if each not in _SPECIAL]
    for name in given:
        inner = f"{key}.{name}"
        if name == "_args_":
            yield f"{inner}: arguments without a name go unchecked; give each by its name ({composition.file(inner)})"
        elif name not in allowed:
            more = "; name it in _keys_ if its **kwargs know it" if taken.keywords else ""
            yield f"{inner}: {target} takes no {name}{meant(name, allowed)}{more} ({composition.file(inner)})"
        elif name in taken.parameters and _settled(node, name):
            fault = typed(composition, inner, node[name], taken.parameters[name])
            if fault:
                yield fault
    if not node.get("_partial_") and "." in key:  # the program completes a node at the root
        for name, parameter in taken.parameters.items():
            if parameter.required and name not in given:
                yield f"{key}.{name} is not set; {target} needs it ({composition.file(key)})"


def _settled(node: DictConfig, name: str) -> bool:
    """Whether the value can be read and is this node's own.

    Where it cannot be read, :func:`value_faults` says so; a root key that it repeats is told of at the root.
    """
    if node._get_node(name)._is_missing():  # type: ignore[union-attr]
        return False
    plain: Any = OmegaConf.to_container(node, resolve=False)
    repeated = re.fullmatch(r"\$\{(\w+)\}", str(plain[name]))
    if repeated and repeated[1] in _root_keys():
        return False
    try:
        value = node[name]
        list(value if isinstance(value, ListConfig) else ())  # reads each element
    except OmegaConfBaseException:
        return False
    return True


def _root_keys() -> set[str]:
    """Those of a training with a type of their own."""
    found = signature("darkroom.commands.checking.root.Train")
    return set(found.parameters) if found else set()


def _walk(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every node below ``node`` with its dotted key, not followed through interpolations."""
    if key:
        yield key, node
    if not isinstance(node, DictConfig | ListConfig) or _is_hollow(node):
        return
    keys: list[Any] = list(node) if isinstance(node, DictConfig) else list(range(len(node)))
    for each in keys:
        yield from _walk(node._get_node(each), f"{key}.{each}" if key else str(each))
