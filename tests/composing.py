"""Hydra composes thousands of configs for these tests, of the same files: what is the same is made once, then copied.

The answers are Hydra's own to the last node, to which test_composing.py holds them. What is kept is kept by the text of
the files, so a changed file is seen. Processes that tests start compose without any of this.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.default_element import InputDefault, ResultDefault
from omegaconf import DictConfig, ListConfig, OmegaConf

_load = OmegaConf.load
_merge = ConfigLoaderImpl._compose_config_from_defaults_list
_choices = defaults_list._create_interpolation_map
_loaded: dict[str, bytes] = {}
_merged: dict[tuple, bytes] = {}


def install() -> None:
    """A composition takes a fifth of its time from here on, once its files were merged before."""
    OmegaConf.load = staticmethod(load)
    ConfigLoaderImpl._compose_config_from_defaults_list = merge
    defaults_list._create_interpolation_map = choices


def uninstall() -> None:
    OmegaConf.load = staticmethod(_load)
    ConfigLoaderImpl._compose_config_from_defaults_list = _merge
    defaults_list._create_interpolation_map = _choices


def load(file: Any) -> DictConfig | ListConfig:
    """As OmegaConf.load; each text is scanned once."""
    if not hasattr(file, "read"):
        with Path(file).open(encoding="utf-8") as opened:
            return load(opened)
    start = file.tell()
    text = file.read()
    if text not in _loaded:
        file.seek(start)
        _loaded[text] = pickle.dumps(_load(file))
    config = pickle.loads(_loaded[text])
    config.__dict__["_text"] = text
    return config


def merge(self: ConfigLoaderImpl, defaults: list[ResultDefault], repo: Any) -> DictConfig:
    """The config of the files alone: what a command line sets comes later, so hundreds of them begin with the same."""
    key = tuple((each.config_path, each.package, each.primary, _text(repo, each)) for each in defaults)
    if key not in _merged:
        _merged[key] = pickle.dumps(_merge(self, defaults, repo))
    return pickle.loads(_merged[key])


def _text(repo: Any, default: ResultDefault) -> str | None:
    """Of a file; Hydra's own dataclasses, which have none, stay as they are."""
    return repo.load_config(default.config_path).config.__dict__.get("_text")


def choices(overrides: Any, defaults: Sequence[InputDefault], self_added: bool) -> DictConfig:
    """What a list of defaults may interpolate: made for every file, though hardly any has something to interpolate."""
    if any(default.is_interpolation() for default in defaults):
        return _choices(overrides, defaults, self_added)
    return OmegaConf.create()
