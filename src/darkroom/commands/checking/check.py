"""All faults of a command line at once, before torch is imported: Hydra and the standard library only."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import OmegaConf

from darkroom.commands.checking.argv import Arguments, name, parsed, read
from darkroom.commands.checking.compose import ERRORS, Composition, Space, composed, jobs, words
from darkroom.commands.checking.devices import device_faults
from darkroom.commands.checking.folders import distance_faults
from darkroom.commands.checking.limits import limit_faults
from darkroom.commands.checking.modules import NotThere
from darkroom.commands.checking.nodes import node_faults, typed, value_faults
from darkroom.commands.checking.overrides import Vocabulary, key_faults, mended
from darkroom.commands.checking.pictures import artifact_faults, folder_faults
from darkroom.commands.checking.resume import hydra_overrides, kept_overrides, resume_faults, run_space
from darkroom.commands.checking.signatures import Signature, signature
from darkroom.commands.checking.spelling import meant
from darkroom.commands.checking.trained import init_faults, pairing_faults, trained_faults

_CHECKS = (node_faults, value_faults, limit_faults, folder_faults, artifact_faults, pairing_faults, init_faults)


def check(command: str, argv: Sequence[str], conf: Path) -> list[str]:
    """The faults of ``argv`` as it was typed, one line each; empty where the command may start.

    A sweep is checked job by job. Of a fault that hides others (a file that is no yaml) only this one is told.
    """
    try:
        arguments = read(argv)
    except ValueError as error:
        return [str(error)]
    return faults(command, arguments, conf)


def faults(command: str, arguments: Arguments, conf: Path) -> list[str]:
    """:func:`check` for a command line that is already read."""
    vocabulary = Vocabulary.of(conf)
    try:
        if resumes(arguments):
            return _resumed(command, arguments, conf, vocabulary)
        space = Space(conf, command)
        every = jobs(space, arguments.overrides, arguments.multirun)
        return list(dict.fromkeys(fault for job in every for fault in _of_job(command, space, job, conf, vocabulary)))
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
    overrides = [*kept_overrides(arguments), *hydra_overrides(run, conf)]
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
        unknown = key_faults(overrides, base, vocabulary)
        composition = composed(space, [text for text in overrides if text not in unknown])
        found += unknown.values()
    found += root_faults(command, composition, conf, vocabulary)
    for faults_of in _CHECKS:
        found += faults_of(composition)
    if command != "train":
        found += distance_faults(composition) if command == "evaluate" else ()
        return found + trained_faults(command, composition)
    return found or list(device_faults(composition))


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
            fault = typed(key, composition.config[key], schema.parameters[key], composition.file(key))
            if fault:
                yield fault
    for group in ("trainer", "optimizer", "lr_schedule") if command == "train" else ():
        if "_target_" not in (composition.config.get(group) or ()):  # experiments set keys of it all the same
            yield f"{group}: none is chosen; give {group}=NAME, one of {', '.join(vocabulary.options[group])}"


def _schema(command: str) -> Signature:
    try:
        return signature(f"darkroom.commands.checking.root.{command.capitalize()}") or Signature({}, keywords=False)
    except NotThere:  # a command with no typed root keys
        return Signature({}, keywords=False)
