"""From what was typed to what Hydra reads: free text is quoted, so that it arrives as it was typed.

Hydra takes ``prompt=a cat, sitting`` for a sweep, ``data.root=/my pictures (old)`` for a function and other alphabets
for an error, and OmegaConf takes ``${`` for an interpolation. Below are the keys whose values have no such meaning.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from hydra._internal.utils import get_args_parser  # Hydra's own, so that flags stay Hydra's
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

from darkroom.build import escaped

TEXTS = ("prompt", "negative_prompt", "run_id", "probing.settings")
PATHS = (
    *("run", "out", "data.root", "first_stage.path", "resume", "init", "logs"),
    *("generated", "reference", "training", "held_out", "statistics_out", "cache", "probing.folder"),
    *("stage.latents", "callback.distribution.cache"),
    *(
        "extractor.weights",
        "perceptual.weights",
        "perceptual.linear",
        "clip_score.weights",
        "conditioner.pretrained",
    ),
)
NULLABLE = ("label", *PATHS)  # null stays None
LISTS = ("compare", "probe")  # of paths

SHOWS = ("hydra_help", "cfg", "info", "shell_completion")  # flags that print and run nothing
_ELSEWHERE = ("config_path", "config_name", "config_dir", "experimental_rerun")  # flags that lead to other files
_QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
_ELEMENT = re.compile(rf"\s*({_QUOTED}|[^,]+?)\s*(?=,|\Z)")  # commas part paths, but for those in quotes
_STRUCTURE = set("[]{}()'\"")  # a value with these that Hydra cannot read is a mistake, not a text


@dataclass(frozen=True)
class Arguments:
    """A command line, with its overrides as Hydra reads them."""

    flags: tuple[str, ...]
    overrides: tuple[str, ...]
    multirun: bool
    helps: bool  # --help
    shows: bool  # only prints: --cfg, --hydra-help and their like
    composes: bool  # prints what is composed: --cfg, --info

    @property
    def argv(self) -> list[str]:
        """Flags first: Hydra's parser takes no overrides after a flag that follows other overrides."""
        return [*self.flags, *self.overrides]

    def value(self, key: str) -> str | None:
        """The last value given for ``key``, as Hydra reads it; None where it is absent or null."""
        found = [parsed(each) for each in self.overrides if name(each) == key]
        return None if not found or found[-1].value() is None else str(found[-1].value())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; keys are written without dashes, as in seed=1")


def read(argv: Sequence[str]) -> Arguments:
    """Split flags from overrides and quote what is free text.

    Raises ValueError in one line where a flag is unknown or leads to another config, and where an override cannot be
    read or has no key.
    """
    parser = get_args_parser()
    parser.__class__ = _Parser  # its error() prints a page of usage and exits
    args = parser.parse_intermixed_args(list(argv))
    given = list(args.overrides)
    rewritten = tuple(rewrite(override, args.multirun) for override in given)
    for flag in _ELSEWHERE:
        if (value := getattr(args, flag)) is not None:
            raise ValueError(f"--{flag.replace('_', '-')}={value}: a command reads its own conf/ alone; leave it out")
    for before, after in zip(given, rewritten, strict=True):
        if not readable(after) or not name(before):
            raise ValueError(f"{before}: not an override that Hydra can read; write key=value{_hint(before)}")
    for override in given:
        argv = _without(argv, override)
    shows = any(getattr(args, flag) for flag in SHOWS)
    return Arguments(tuple(argv), rewritten, args.multirun, args.help, shows, bool(args.cfg or args.info))


def _without(argv: Sequence[str], token: str) -> list[str]:
    place = list(argv).index(token)
    return [*argv[:place], *argv[place + 1 :]]


def _hint(override: str) -> str:
    return ", and close every quote and bracket" if "=" in override else ""


def name(override: str) -> str:
    """The key of an override, without ``+``, ``++`` or ``~``."""
    return override.partition("=")[0].lstrip("+~").strip()


def rewrite(override: str, sweep: bool = False) -> str:
    """One override as Hydra is to read it.

    ``sweep``: after ``-m`` a free text that Hydra can read stays Hydra's, so that ``prompt=cat,dog`` is two jobs.
    """
    key, equals, value = override.partition("=")
    if not equals or (name(override) in NULLABLE and value == "null"):
        return override
    if name(override) in TEXTS + NULLABLE:
        return override if sweep and readable(override) else f"{key}={quoted(value)}"
    if name(override) in LISTS and value.startswith("[") and value.endswith("]"):
        paths = ",".join(map(_element, _ELEMENT.findall(value[1:-1])))
        return override if sweep and readable(override) else f"{key}=[{paths}]"
    text = not readable(override) and not _STRUCTURE & set(value)
    return f"{key}={quoted(value)}" if text else override


def quoted(text: str) -> str:
    """``text`` as a value in Hydra's grammar and OmegaConf's, which read it back as ``text``, whatever it holds."""
    if text == "???":  # a missing value to OmegaConf, even in quotes
        return "${oc.decode:\"'???'\"}"
    return QuotedString(escaped(text), Quote.single).with_quotes()


def _element(text: str) -> str:
    """A path in a list, quoted unless it was typed so."""
    return text if re.fullmatch(_QUOTED, text) else quoted(text)


def shown(override: str) -> str:
    """A readable override as it was typed, for a message."""
    value = parsed(override).value()
    key, equals, text = override.partition("=")
    return f"{key}{equals}{value if isinstance(value, str) else text}"


def readable(override: str) -> bool:
    """Whether Hydra's grammar can read it."""
    try:
        parsed(override)
    except HydraException:
        return False
    return True


def parsed(override: str) -> Override:
    """The override as Hydra reads it; raises HydraException."""
    return OverridesParser.create().parse_override(override)
