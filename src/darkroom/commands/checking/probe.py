"""Faults of a probe of several autoencoders. Standard library."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from darkroom.autoencoding.artifact import find_artifact, read_latents
from darkroom.commands.checking.argv import read
from darkroom.commands.checking.compose import ERRORS, Composition, Space, composed, words
from darkroom.commands.checking.limits import run_fault, unwritable
from darkroom.commands.checking.nodes import node_faults
from darkroom.commands.checking.paths import is_folder
from darkroom.commands.checking.trained import stage_of

_OTHERS = ("metrics", "kid_size", "guidance", "guidance_scale", "ema", "clip_score", "memorisation")
_NAMES = {"resolution": "pictures of {} and {} pixels", "data_fingerprint": "different pictures ({} and {})"}


def probe_faults(composition: Composition) -> Iterator[str]:
    """A line each; nothing where nothing is probed."""
    config = composition.config
    if not OmegaConf.is_list(config.get("probe")) or not config.probe:  # another type is told of by the schema
        return
    for key in _OTHERS:
        if config.get(key) not in (None, [], False):
            yield f"{key}: is given beside probe=, which draws without guidance and ranks by one distance; leave it out"
    if config.n < 2:
        yield f"n={config.n}: a distance wants at least 2 samples"
    if config.get("checkpoint") == "best":
        yield "checkpoint=best: a probe draws from what its fixed budget gave; leave it out"
    if isinstance(config.get("extractor"), DictConfig) and "first_stage" in config.extractor:
        yield "extractor=first_stage: each autoencoder would judge itself; give a pretrained one, or none for shapes"
    yield from _of_runs([str(path) for path in config.probe])
    yield from _of_budget(config.get("probing"), composition.space)


def _of_runs(paths: list[str]) -> Iterator[str]:
    if len({Path(path).resolve() for path in paths}) < max(2, len(paths)):
        yield f"probe: compares runs, and {', '.join(paths)} are not two or more; give probe=[RUN,RUN]"
    found = {}
    for path in dict.fromkeys(paths):
        fault = _of_run(path)
        if fault:
            yield fault
        else:
            found[path] = read_latents(find_artifact(path))
    right = list(found)
    for path in right[1:]:
        yield from _unlike(right[0], found[right[0]], path, found[path])


def _of_run(path: str) -> str | None:
    if fault := run_fault("probe", path):
        return fault
    config = OmegaConf.load(Path(path) / "config.yaml")
    assert isinstance(config, DictConfig)
    if (stage := stage_of(config)) != "autoencoder":
        return f"probe={path}: it trained the stage {stage}; give runs of autoencoders"
    try:
        read_latents(find_artifact(path))
    except (OSError, ValueError) as error:
        return str(error).replace("first_stage.path=", "probe=")
    root = OmegaConf.select(config, "data.root")
    if isinstance(root, str) and not is_folder(root) and not OmegaConf.select(config, "data.download"):
        return f"probe={path}: its pictures, data.root={root}, are not there any more; put them back"
    return None


def _unlike(a: str, of_a: Mapping[str, Any], b: str, of_b: Mapping[str, Any]) -> Iterator[str]:
    """The first difference between what two were trained on; a resolution decides the fingerprint too."""
    for key, text in _NAMES.items():
        if of_a.get(key) != of_b.get(key):
            what = text.format(*(str(each.get(key))[:12] for each in (of_a, of_b)))
            yield f"probe: {a} and {b} were trained on {what}; give runs of the same data and resolution"
            return


def _of_budget(node: Any, space: Space) -> Iterator[str]:
    if not isinstance(node, DictConfig):
        yield f"probing={node}: give its keys one by one, probing.steps=2000 for example"
        return
    for key in ("steps", "tokens"):
        if not isinstance(node[key], int) or isinstance(node[key], bool) or node[key] < 1:
            yield f"probing.{key}={node[key]}: is not a whole number of at least 1"
    if not isinstance(node.folder, str) or not node.folder:
        yield f"probing.folder={node.folder}: give a folder, logs/probe for example"
    else:
        yield from unwritable("probing.folder", node.folder, Path(node.folder))
    given = ["experiment=probe", "run_id=probe", "first_stage.path=of_the_run"]
    try:
        training = composed(Space(space.folder, "train"), [*given, *overrides_of(str(node.settings))])
        yield from (f"probing.settings: {fault}" for fault in node_faults(training))
    except ValueError as error:  # a quote that is not closed, an override without a key
        yield f"probing.settings={node.settings}: {error}"
    except ERRORS as error:
        yield f"probing.settings={node.settings}: {words(error)}"


def overrides_of(settings: str) -> Sequence[str]:
    """Overrides as a shell would take them apart; raises ValueError where it or Hydra cannot read them."""
    return read(shlex.split(settings)).overrides
