"""Faults of the overrides on a command line: keys, groups and options that do not exist."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.types import Override, ValueType
from omegaconf import DictConfig, OmegaConf

from darkroom.commands.checking.argv import parsed, shown
from darkroom.commands.checking.compose import Composition
from darkroom.commands.checking.modules import NotThere
from darkroom.commands.checking.signatures import signature
from darkroom.commands.checking.spelling import meant, nearest

_HINTS = {"trainer=gpu": "; default takes a GPU where there is one, ddp all of them"}  # where what is near misleads


@dataclass(frozen=True)
class Vocabulary:
    """The groups of ``conf`` and their options."""

    options: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, conf: Path) -> "Vocabulary":
        """Read from the folders; ``hydra``'s groups are Hydra's to know."""
        folders = [folder for folder in sorted(conf.rglob("*")) if folder.is_dir() and folder != conf / "hydra"]
        return cls({folder.relative_to(conf).as_posix(): _options(folder) for folder in folders})

    def chooses(self, override: Override) -> bool:
        """Whether the override picks an option of a group."""
        return override.key_or_group in self.options or override.key_or_group.startswith("hydra/")


def _options(folder: Path) -> tuple[str, ...]:
    return tuple(path.relative_to(folder).with_suffix("").as_posix() for path in sorted(folder.rglob("*.yaml")))


def mended(overrides: Sequence[str], vocabulary: Vocabulary) -> tuple[list[str], list[str | None]]:
    """A fault for each option that no file has, and the overrides with the nearest option in its place.

    So the rest can still be checked; where no option is near, None stands for the override.
    """
    found: list[str] = []
    rest: list[str | None] = []
    for text in overrides:
        override = parsed(text)
        options = vocabulary.options.get(override.key_or_group)
        if options is None or override.is_delete():
            rest.append(text)
            continue
        value = override.value()
        if value is None:
            found.append(f"{shown(text)}: choose one of {', '.join(options)}")
            rest.append(None)
            continue
        wrong = [str(each) for each in (value if isinstance(value, list) else [value])]
        wrong = [each for each in wrong if each not in options]
        for option in wrong:
            where = f"conf/{override.key_or_group} has no {option}.yaml"
            hint = _HINTS.get(f"{override.key_or_group}={option}") or meant(option, options)
            found.append(f"{shown(text)}: {where}{hint}")
        near = nearest(wrong[0], options) if wrong else None
        rest.append(text if not wrong else f"{text.partition('=')[0]}={near}" if near else None)
    return found, rest


def key_faults(overrides: Sequence[str], base: Composition, vocabulary: Vocabulary) -> dict[str, str]:
    """A fault for each override of a key that ``base``, composed of the groups alone, does not have; by override."""
    found = {}
    for text in overrides:
        override = parsed(text)
        key = override.key_or_group
        if override.is_hydra_override() or vocabulary.chooses(override) or override.is_force_add():
            continue
        if override.is_add():
            continue
        for inner, value in _leaves(key, override.value()):
            if not _there(base.config, inner):
                found[text] = _unknown(shown(text) if inner == key else f"{inner}={value}", inner, base, vocabulary)
                break
    return found


def bracketed(overrides: Sequence[str], base: Composition) -> dict[str, str]:
    """What was meant by each override that gives several values, as for a sweep, to a key of a list."""
    found = {}
    for text in overrides:
        node, missing = _descend(base.config, parsed(text).key_or_group)
        if parsed(text).value_type is ValueType.SIMPLE_CHOICE_SWEEP and missing is None and OmegaConf.is_list(node):
            key, _, values = text.partition("=")
            found[text] = f"{key}=[{values}]"
    return found


def _leaves(key: str, value: object) -> Iterator[tuple[str, object]]:
    """The dotted keys that an override sets: several where its value is a mapping."""
    if not isinstance(value, dict) or not value:
        yield key, value
        return
    for name, inner in value.items():
        yield from _leaves(f"{key}.{name}", inner)


def _there(config: DictConfig, key: str) -> bool:
    parent, leaf = _descend(config, key)
    return leaf is None and parent is not None


def _descend(config: DictConfig, key: str) -> tuple[object, str | None]:
    """The node of ``key`` and None, or the deepest node above it and the first part that it does not have."""
    node: object = config
    for part in key.split("."):
        if isinstance(node, DictConfig) and not node._is_none() and part in node.keys():  # noqa: SIM118
            node = node._get_node(part)
        elif OmegaConf.is_list(node) and part.isdigit() and int(part) < len(node):  # type: ignore[arg-type]
            node = node._get_node(int(part))  # type: ignore[attr-defined]
        else:
            return node, part
    return node, None


def _unknown(text: str, key: str, base: Composition, vocabulary: Vocabulary) -> str:
    node, missing = _descend(base.config, key)
    assert missing is not None
    prefix = ".".join(key.split(".")[: key.split(".").index(missing)])
    if not prefix:
        return f"{text}: {_unknown_root(key, missing, base, vocabulary)}"
    if not isinstance(node, DictConfig):
        return f"{text}: {prefix} is a single value in {base.home(prefix)}, it has no {missing}"
    taken = _parameters(node)
    if missing in taken:
        target = node.get("_target_")
        return f"{text}: {base.home(prefix)} does not set {missing}, but {target} takes it; write +{text}"
    near = meant(missing, {*map(str, node), *taken} - {"_target_", "_keys_", "_partial_"})
    return f"{text}: {prefix} has no {missing}{near} ({base.home(prefix)})"


def _unknown_root(key: str, missing: str, base: Composition, vocabulary: Vocabulary) -> str:
    if missing in vocabulary.options:
        options = ", ".join(vocabulary.options[missing])
        return f"no option of {missing} is chosen; add {missing}=NAME before it, one of {options}"
    roots = {*map(str, base.config.keys()), *vocabulary.options}
    first = nearest(missing, roots)
    whole = [each for each in _keys(base.config) if each.rpartition(".")[2] == key]
    if first is None and whole:
        return f"there is no key {missing}; did you mean {' or '.join(whole)}?"
    return f"there is no key {missing}{meant(missing, roots)} ({base.space.file})"


def _parameters(node: DictConfig) -> set[str]:
    target = node.get("_target_")
    try:
        found = signature(target) if isinstance(target, str) else None
    except NotThere:  # told of by the nodes' own check
        return set()
    return {*(found.parameters if found else ()), *(node.get("_keys_") or ())}


def _keys(node: object, prefix: str = "") -> Iterator[str]:
    """Every dotted key below ``node``."""
    if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
        for key in map(str, node.keys()):
            yield prefix + key
            yield from _keys(node._get_node(key), f"{prefix}{key}.")
