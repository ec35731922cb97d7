"""A config as Hydra will compose it, without running anything, and the file that each of its keys comes from."""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from darkroom.commands.checking.argv import name
from darkroom.commands.checking.paths import is_utf8
from darkroom.metrics import weights_cache

ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError)  # what composing raises for a mistake of the user
COMMAND_LINE = "command line"
_VERSION_BASE = "1.3"
weights_cache.register()  # what conf/ interpolates


@dataclass(frozen=True)
class Source:
    """One file of a composition and the key under which its content lies."""

    path: Path
    package: str

    @cached_property
    def content(self) -> Any:
        """Read when it is first asked for: most files cannot hold the key that a fault is about."""
        return OmegaConf.load(self.path)


@dataclass(frozen=True)
class Space:
    """Where the primary config lies: ``conf/train.yaml``, or ``config.yaml`` in the folder of a run."""

    folder: Path
    name: str

    @property
    def file(self) -> str:
        """The primary config, short enough for a message."""
        return _short(self.folder / f"{self.name}.yaml")


@dataclass(frozen=True)
class Composition:
    """A config without Hydra's node, and how it came about."""

    space: Space
    overrides: tuple[str, ...]
    config: DictConfig

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The files in the order in which they were merged; read only where there is a fault to tell."""
        with opened(self.space) as loader:
            defaults = loader.compute_defaults_list(self.space.name, list(self.overrides), RunMode.RUN).defaults
            paths = [Path(source.path) for source in loader.get_sources() if source.scheme() == "file"]
        return tuple(_sources(defaults, paths))

    def file(self, key: str) -> str:
        """Where ``key`` got its value: a file, short enough for a message, or the command line."""
        given = key in map(name, self.overrides)
        last = None if given else next((each for each in reversed(self.sources) if _holds(each, key)), None)
        return _short(last.path) if last else COMMAND_LINE

    def given(self, keys: Iterable[str]) -> list[str]:
        """Those of ``keys`` that the command line sets, to something other than null or false."""
        named = set(map(name, self.overrides))
        return [key for key in keys if key in named and self.config.get(key) not in (None, False)]

    def comment(self, key: str) -> str:
        """What the file says beside a value without a default or from a cache, as ``: words``; or nothing."""
        holders = [source for source in self.sources if _holds(source, key)]
        text = holders[-1].path.read_text(encoding="utf-8") if holders else ""
        no_value = r"(?:\?{3}|\$\{.+\})"
        found = re.search(rf"^\s*{re.escape(key.rpartition('.')[2])}: {no_value}\s+# (.+)$", text, re.MULTILINE)
        return f": {found[1].strip()}" if found else ""

    def only_nulled(self, key: str) -> bool:
        """Whether ``key`` is null and nothing but recipes and the command line name it, and these by null alone."""
        primary = self.space.folder.resolve() / f"{self.space.name}.yaml"
        found = [(source, node) for source in self.sources if (node := _at(source, key)) is not None]
        return not any(source.package or source.path == primary or not node._is_none() for source, node in found)

    def home(self, key: str) -> str:
        """The file that brings ``key`` in, which others only change."""
        return next((_short(source.path) for source in self.sources if _holds(source, key)), COMMAND_LINE)


@contextmanager
def opened(space: Space) -> Iterator[ConfigLoaderImpl]:
    """Hydra's loader for ``space``; whatever was initialised before comes back afterwards."""
    running = GlobalHydra.instance().hydra  # of a command that composes another's config
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(space.folder.resolve()), version_base=_VERSION_BASE, job_name=space.name):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None and isinstance(hydra.config_loader, ConfigLoaderImpl)
            yield hydra.config_loader
    except UnicodeDecodeError:  # which tells everything but the file
        raise HydraException(_not_utf8(space.folder)) from None
    finally:
        GlobalHydra.instance().hydra = running


def _not_utf8(folder: Path) -> str:
    """Which yaml files below ``folder`` are no UTF-8."""
    wrong = [_short(path) for path in sorted(folder.rglob("*.yaml")) if not is_utf8(path)]
    return f"{', '.join(wrong)}: not UTF-8; save it as UTF-8"


def composed(space: Space, overrides: Sequence[str]) -> Composition:
    """Compose; raises one of :data:`ERRORS`, which :func:`words` puts on one line."""
    with opened(space) as loader:
        config = loader.load_configuration(space.name, list(overrides), RunMode.RUN, from_shell=False)
    HydraConfig.instance().set_config(config)  # for ${hydra:...} in it
    OmegaConf.set_struct(config, False)
    config.pop("hydra", None)
    return Composition(space, tuple(overrides), config)


def jobs(space: Space, overrides: Sequence[str], multirun: bool) -> list[list[str]]:
    """The overrides of each job of a sweep; of an interval, which only a clever sweeper can read, its two ends."""
    if not multirun:
        return [list(overrides)]
    with opened(space) as loader:
        parser = OverridesParser.create(config_loader=loader)
        parsed = parser.parse_overrides(list(overrides))
        given = {each.key_or_group for each in parsed}
        params = _sweeper_params(loader, space, overrides)
        parsed += parser.parse_overrides([f"{key}={value}" for key, value in params.items() if key not in given])
        every = itertools.product(*map(_alternatives, parsed))
        return [[*job, f"hydra.job.num={number}"] for number, job in enumerate(every)]  # for ${hydra:job.num}


def _sweeper_params(loader: ConfigLoaderImpl, space: Space, overrides: Sequence[str]) -> dict[str, str]:
    """``hydra.sweeper.params`` of the files; none where they do not compose, which the check of each job tells."""
    try:
        config = loader.load_configuration(space.name, list(overrides), RunMode.MULTIRUN)
    except ERRORS:
        return {}
    return dict(config.hydra.sweeper.get("params") or {})


def words(error: Exception) -> str:
    """The error and its cause on one line."""
    texts = [str(each) for each in (error, error.__cause__) if each is not None and str(each)]
    return " ".join(" ".join(texts).partition("Config search path")[0].split()) or type(error).__name__


def _alternatives(override: Override) -> list[str]:
    line = override.input_line or ""
    if not override.is_sweep_override():
        return [line]
    key = line.partition("=")[0]
    if override.is_discrete_sweep():
        return [f"{key}={value}" for value in override.sweep_string_iterator()]
    interval = override.value()
    assert isinstance(interval, IntervalSweep)
    return [f"{key}={interval.start}", f"{key}={interval.end}"]


def _sources(defaults: Sequence, paths: Sequence[Path]) -> Iterator[Source]:
    for default in defaults:
        for folder in paths:
            file = folder / f"{default.config_path}.yaml"
            if file.is_file():
                yield Source(file, "" if default.package in (None, "_global_") else default.package)
                break


def _holds(source: Source, key: str) -> bool:
    return _at(source, key) is not None


def _at(source: Source, key: str) -> Any:
    """The node that ``key`` is in the file, also where its value is null or missing; None where it is not there."""
    if source.package:
        if key == source.package:
            return source.content
        if not key.startswith(f"{source.package}."):
            return None
        key = key[len(source.package) + 1 :]
    node: Any = source.content
    for part in key.split(".") if key else []:
        if isinstance(node, DictConfig) and part in node.keys():  # noqa: SIM118  (`in` a DictConfig hides ??? and null)
            node = node._get_node(part)
        elif isinstance(node, ListConfig) and part.isdigit() and int(part) < len(node):
            node = node._get_node(int(part))
        else:
            return None
    return node


def _short(path: Path) -> str:
    """From the folder that holds ``conf`` on."""
    parts = path.parts
    return "/".join(parts[parts.index("conf") :] if "conf" in parts else parts[-2:])
