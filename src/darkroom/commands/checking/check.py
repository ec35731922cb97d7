"""All faults of a command line at once, before torch is imported: Hydra and the standard library only."""

import importlib.util
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from darkroom.build import nodes
from darkroom.commands.checking.argv import Arguments, name, parsed, read
from darkroom.commands.checking.compose import ERRORS, Composition, Space, composed, jobs, words
from darkroom.commands.checking.devices import device_faults, drawing_faults
from darkroom.commands.checking.folders import distance_faults, weights_faults
from darkroom.commands.checking.limits import limit_faults
from darkroom.commands.checking.modules import NotThere
from darkroom.commands.checking.nodes import node_faults, typed, value_faults
from darkroom.commands.checking.overrides import Vocabulary, bracketed, key_faults, mended
from darkroom.commands.checking.pictures import artifact_faults, folder_faults
from darkroom.commands.checking.probe import probe_faults
from darkroom.commands.checking.resume import hydra_overrides, kept_overrides, resume_faults, run_space
from darkroom.commands.checking.signatures import Signature, signature
from darkroom.commands.checking.spelling import meant
from darkroom.commands.checking.sweep import sweep_faults
from darkroom.commands.checking.trained import init_faults, pairing_faults, trained_faults
from darkroom.commands.checking.written import clash_faults, written_faults

_NEEDED = ("stage", "data", "trainer", "optimizer", "lr_schedule")  # groups that no training can be without
_CHECKS = (
    node_faults,
    value_faults,
    limit_faults,
    folder_faults,
    artifact_faults,
    pairing_faults,
    init_faults,
    weights_faults,
)
_OF_EVALUATION = (distance_faults, sweep_faults, probe_faults, drawing_faults, written_faults)


def check(command: str, argv: Sequence[str], conf: Path) -> list[str]:
    """The faults of ``argv`` as it was typed, one line each; empty where the command may start.

    A sweep is checked job by job. Of a fault that hides others (a file that is no yaml) only this one is told.
    """
    try:
        arguments = read(argv)
    except ValueError as error:
        return [str(error)]
    return faults(command, arguments, conf)


def idle_faults(command: str, arguments: Arguments, conf: Path) -> list[str]:
    """The faults of a command line that names nothing to do; empty where only the usage can be shown.

    Of train.py, where the experiment is missing and so everything that it chooses, those of names alone.
    """
    if not arguments.overrides or command != "train":
        return faults(command, arguments, conf) if arguments.overrides else []
    vocabulary, space = Vocabulary.of(conf), Space(conf, command)
    found: list[str] = []
    try:
        for job in jobs(space, arguments.overrides, arguments.multirun):
            wrong, rest = mended(job, vocabulary)
            overrides = [text for text in rest if text is not None]
            base = composed(space, [text for text in overrides if _composes(text, vocabulary)])
            unknown = key_faults(overrides, base, vocabulary).items()
            found += [*wrong, *(fault for text, fault in unknown if _root(text) not in vocabulary.options)]
    except ERRORS as error:
        return [words(error)]
    return list(dict.fromkeys(found))


def composing_faults(command: str, arguments: Arguments, conf: Path) -> list[str]:
    """Why there is no config to be shown; empty where there is one, whatever else its faults are."""
    try:
        composed(Space(conf, command), arguments.overrides)
    except (ValueError, *ERRORS) as error:
        wrong, _ = mended(arguments.overrides, Vocabulary.of(conf))
        return wrong or [words(error)]
    return []


def _root(override: str) -> str:
    return name(override).partition(".")[0]


def faults(command: str, arguments: Arguments, conf: Path) -> list[str]:
    """:func:`check` for a command line that is already read."""
    vocabulary = Vocabulary.of(conf)
    try:
        if resumes(arguments):
            return _resumed(command, arguments, conf, vocabulary)
        space = Space(conf, command)
        every = jobs(space, arguments.overrides, arguments.multirun)
        found = [fault for job in every for fault in _of_job(command, space, job, conf, vocabulary)]
        return list(dict.fromkeys(found or clash_faults(space, every)))
    except ERRORS as error:
        return [words(error)]


def resumes(arguments: Arguments) -> bool:
    """Whether the command line goes on with a run."""
    return any(name(each) == "resume" and parsed(each).value() is not None for each in arguments.overrides)


def _resumed(command: str, arguments: Arguments, conf: Path, vocabulary: Vocabulary) -> list[str]:
    if found := resume_faults(arguments, vocabulary):
        return found
    run = arguments.value("resume")
    assert run is not None
    overrides = [*hydra_overrides(run, conf), *kept_overrides(arguments)]  # as front.py has them: the last counts
    return _of_job(command, run_space(run), overrides, conf, vocabulary)


def _of_job(command: str, space: Space, job: Sequence[str], conf: Path, vocabulary: Vocabulary) -> list[str]:
    """The faults of one config. Raises one of ERRORS where its files do not compose."""
    found, mended_job = mended(job, vocabulary)
    overrides = [text for text in mended_job if text is not None]
    if len(overrides) < len(mended_job):
        return found
    try:
        composition = composed(space, overrides)
    except ERRORS:
        base = composed(space, [text for text in overrides if _composes(text, vocabulary)])
        lists = bracketed(overrides, base)
        found += [f"{text}: the value is a list; write {meant_list}" for text, meant_list in lists.items()]
        overrides = [lists.get(text, text) for text in overrides]
        unknown = key_faults(overrides, base, vocabulary)
        known = tuple(text for text in overrides if text not in unknown)
        composition = base if known == base.overrides else composed(space, known)
        found += unknown.values()
    found += root_faults(command, composition, conf, vocabulary)
    for faults_of in _CHECKS:
        found += faults_of(composition)
    if command != "train":
        for faults_of in _OF_EVALUATION if command == "evaluate" else ():
            found += faults_of(composition)
        return found + trained_faults(command, composition)
    return _told_once(found, composition, vocabulary) or list(device_faults(composition))


def _told_once(found: Sequence[str], composition: Composition, vocabulary: Vocabulary) -> list[str]:
    """Without what only follows: keys of a group that has no option, and a recipe's of a stage that is not its own."""
    following = [f"{group}." for group in _unchosen(composition, vocabulary)]
    choices = [text for text in composition.overrides if _composes(text, vocabulary)]
    others = [text for text in choices if parsed(text).key_or_group != "stage"]
    if len(others) < len(choices) and any(fault.startswith("stage.") for fault in found):
        here = OmegaConf.select(composition.config, "stage._target_")
        own = OmegaConf.select(composed(composition.space, others).config, "stage._target_")
        if here and own and here != own:
            given = next(text for text in choices if text not in others)
            recipe = f"the experiment trains the stage {own.split('.')[-2]}, and sets what this one has not"
            found = [f"{given}: {recipe}; choose an experiment of this stage", *found]
            following.append("stage.")
    return [fault for fault in found if not fault.startswith(tuple(following))]


def _composes(text: str, vocabulary: Vocabulary) -> bool:
    """Whether an override is about which files there are, not about a value in them."""
    override = parsed(text)
    return vocabulary.chooses(override) or override.is_hydra_override() or override.key_or_group == "hydra"


def root_faults(command: str, composition: Composition, conf: Path, vocabulary: Vocabulary) -> Iterator[str]:
    """Root keys that no command knows, and root values of a wrong type."""
    schema = _schema(command)
    primary = OmegaConf.load(conf / f"{command}.yaml")
    known = {*schema.parameters, *(group.split("/")[0] for group in vocabulary.options), *map(str, primary)}
    for key in map(str, composition.config):
        if key not in known:
            yield f"{key}: there is no such root key{meant(key, known - {'defaults'})} ({composition.file(key)})"
        elif key in schema.parameters and not OmegaConf.is_missing(composition.config, key):
            fault = typed(composition, key, composition.config[key], schema.parameters[key])
            if fault:
                yield fault
    yield from _inner_faults(composition, OmegaConf.to_container(primary))
    yield from _package_faults(composition.config.get("packages"))
    for group in _unchosen(composition, vocabulary) if command == "train" else ():
        yield f"{group}: none is chosen; give {group}=NAME, one of {', '.join(vocabulary.options[group])}"


def _unchosen(composition: Composition, vocabulary: Vocabulary) -> list[str]:
    """The groups of which a training lacks an option; experiments set single keys of them all the same."""
    config = composition.config
    lacking = [group for group in _NEEDED if "_target_" not in (config.get(group) or ())]
    stage: Any = OmegaConf.to_container(config.stage, resolve=False) if "stage" not in lacking else {}
    repeated = [text[2:-1] for text in stage.values() if isinstance(text, str) and re.fullmatch(r"\$\{\w+\}", text)]
    lacking += [group for group in repeated if group in vocabulary.options and _builds_nothing(config.get(group))]
    return list(dict.fromkeys(lacking))


def _builds_nothing(node: Any) -> bool:
    """Whether it is a mapping of values alone."""
    return isinstance(node, DictConfig) and not any(nodes(OmegaConf.to_container(node, resolve=False)))


def _inner_faults(composition: Composition, primary: Any) -> Iterator[str]:
    """Names in a mapping of values, such as sweep, that the command's own file has not."""
    for key, known in primary.items():
        given = composition.config.get(key) if isinstance(known, dict) else None
        for each in map(str, given) if isinstance(given, DictConfig) else ():
            if each not in known:
                where = composition.file(f"{key}.{each}")
                yield f"{key}.{each}: {key} has no {each}{meant(each, known)} ({where})"


def _package_faults(packages: Any) -> Iterator[str]:
    for package in packages if OmegaConf.is_list(packages) else ():
        named = str(package).isidentifier() and not package.startswith("__")  # __main__ is the command itself
        if not named or importlib.util.find_spec(package) is None:
            yield f"packages=[{package}]: there is no package of that name where Python looks; install or correct it"


def _schema(command: str) -> Signature:
    try:
        return signature(f"darkroom.commands.checking.root.{command.capitalize()}") or Signature({}, keywords=False)
    except NotThere:  # a command with no typed root keys
        return Signature({}, keywords=False)
