"""Faults of what lies in the folders that a training begins from: pictures, and a first stage. Nothing is decoded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from darkroom.autoencoding.artifact import find_artifact, read_latents
from darkroom.commands.checking.compose import Composition
from darkroom.commands.checking.paths import is_folder
from darkroom.commands.checking.trained import reads_text
from darkroom.data.captions import read_captions
from darkroom.data.layout import Layout, survey

_FOLDER = "darkroom.data.image_folder.ImageFolder"


def folder_faults(composition: Composition) -> Iterator[str]:
    """A folder with too few pictures, faulty classes or captions, or without what the condition is to be read from."""
    data = composition.config.get("data")
    if not isinstance(data, DictConfig) or data.get("_target_") != _FOLDER:
        return
    root = data.get("root")
    if not isinstance(root, str) or not is_folder(root):  # told of by limits
        return
    try:
        layout = survey(Path(root))
        yield from _of_condition(composition.config.get("conditioner"), Path(root), layout)
    except OSError as error:
        yield f"data.root={root}: {error.filename}: {error.strerror}" if error.filename else str(error)
    except ValueError as error:
        yield " ".join(str(error).split())


def _of_condition(conditioner: Any, root: Path, layout: Layout) -> Iterator[str]:
    """Classes and captions, where the conditioner cannot do without."""
    if not isinstance(conditioner, DictConfig):
        return
    for part in conditioner.get("conditioners") or [conditioner]:
        if "num_classes" in part.keys() and len(layout.classes or ()) < 2:  # noqa: SIM118
            why = "its pictures are of one class" if set(layout.folders.values()) != {""} else "it has no sub-folders"
            remedy = "put each class into a sub-folder, or give conditioner=auto"
            yield f"data.root={root}: {why}, and the condition is the class; {remedy}"
        if reads_text(part._target_) and read_captions(root, [*layout.train, *layout.validation], layout.files) is None:
            remedy = "write metadata.jsonl or a .txt beside each picture, or give conditioner=auto"
            yield f"data.root={root}: no picture has a caption, and the condition is text; {remedy}"


def artifact_faults(composition: Composition) -> Iterator[str]:
    """A first stage that is missing, unfinished, changed or none, or whose factor does not divide the resolution."""
    config = composition.config
    path = OmegaConf.select(config, "first_stage.path", throw_on_missing=False)
    if not isinstance(path, str):
        return
    try:
        factor = read_latents(find_artifact(path))["factor"]
    except OSError as error:
        yield f"first_stage.path={path}: {error.strerror}" if error.filename else str(error)
        return
    except ValueError as error:
        yield str(error)
        return
    resolution = config.get("resolution")
    if isinstance(resolution, int) and resolution % factor:
        fits = max(factor, resolution // factor * factor)
        yield (
            f"resolution={resolution}: is no multiple of {factor}, by which first_stage.path={path} makes pictures "
            f"smaller; give resolution={fits} for example"
        )
