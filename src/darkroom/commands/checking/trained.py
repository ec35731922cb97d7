"""Faults of what is asked of a trained run, as far as its config.yaml and folder tell: without data and weights."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from darkroom.build import escaped
from darkroom.commands.checking.compose import Composition
from darkroom.commands.checking.folders import names_file, tower_faults, tower_keys
from darkroom.commands.checking.limits import run_fault, unwritable
from darkroom.commands.checking.modules import NotThere, locate
from darkroom.commands.checking.paths import exists
from darkroom.commands.checking.spelling import nearest
from darkroom.commands.checking.swept import swept
from darkroom.commands.checking.written import sheet_of
from darkroom.diffusion.pairs import pair_faults
from darkroom.runs.widths import NARROWEST, WIDEST

LISTED = 100  # so many class names a message shows
_OF_SAMPLES = (  # keys of evaluate.py
    *("ema", "clip_score", "memorisation", "metrics", "kid_size", "n_reference"),
    *("sampler", "steps", "guidance", "guidance_scale"),
)
_PIXELS = "darkroom.autoencoding.first_stage.Identity"


class Reads(NamedTuple):
    """What a run's conditioner can be asked."""

    text: bool
    classes: int  # how many; 0 where it reads none
    names: tuple[str, ...]

    @classmethod
    def of(cls, node: Mapping[str, Any] | None) -> "Reads":
        """From its node in config.yaml; of several conditioners in one, what any of them reads."""
        parts = [cls.of(part) for part in (node or {}).get("conditioners") or ()]
        if node is None or parts:
            found = next((part for part in parts if part.classes), cls(False, 0, ()))
            return found._replace(text=any(part.text for part in parts))
        return cls(reads_text(node["_target_"]), node.get("num_classes") or 0, tuple(node.get("names") or ()))

    def number(self, label: str) -> int | None:
        """The class that ``label`` names, by name or else by number; None where there is none."""
        if label in self.names:
            return self.names.index(label)
        return int(label) if label.isdecimal() and int(label) < self.classes else None


def reads_text(target: str) -> bool:
    """Whether it tells which words it does not know: what every reader of text does, and nothing else."""
    try:
        found = locate(target)
    except NotThere:
        return False
    return found is not None and any(getattr(each, "name", None) == "unknown_words" for each in found.node.body)


def stage_of(config: DictConfig) -> str:
    """The stage that a run trained, as ``darkroom.runs.folder`` has it; empty in a config that is not of a run."""
    target = OmegaConf.select(config, "stage._target_")
    return target.split(".")[-2] if isinstance(target, str) and "." in target else ""


def pairing_faults(composition: Composition) -> Iterator[str]:
    """A parameterization, sampler or time grid that cannot work on the schedule that is chosen beside it."""
    process, sampler = (composition.config.get(key) for key in ("process", "sampler"))
    if isinstance(process, DictConfig):
        yield from _unpaired(composition, process, sampler)


def trained_faults(command: str, composition: Composition) -> list[str]:
    """What sample.py and evaluate.py cannot do with the run that they are given, a line each."""
    asked = composition.config
    path = None if OmegaConf.is_missing(asked, "run") else asked.get("run")
    tower = OmegaConf.select(asked, "conditioner.pretrained")
    if command == "evaluate" and path is None and tower is not None:
        return [f"conditioner.pretrained={tower}: is for the text tower of run=RUN; leave it out"]
    if not isinstance(path, str) or run_fault("run", path):  # told of elsewhere
        return []
    config = OmegaConf.load(Path(path) / "config.yaml")
    stage = stage_of(config) if isinstance(config, DictConfig) else ""
    if not isinstance(config, DictConfig) or not stage:
        return [f"run={path}: its config.yaml is not one that train.py wrote; give the folder of a run"]
    if not _finished(Path(path), stage):
        return [f"run={path}: it has nothing trained yet; go on with python train.py resume={path}"]
    if command == "sample" and stage != "latent_diffusion":
        return [f"run={path}: it trained the stage {stage}, which draws no pictures; give a latent diffusion run"]
    found = [*_of_data(command, asked, config), *_of_checkpoint(asked, Path(path), stage), *_of_tower(asked, config)]
    if stage == "latent_diffusion":
        found += [*_of_sampling(asked, config, composition), *_of_average(asked, Path(path))]
        found += [*_of_distances(asked, config), *_of_pixels(asked, config)]
    else:
        found += _of_drawing(composition)
    if command == "sample":
        found += _of_prompts(asked, Reads.of(config.get("conditioner")))
        found += _of_out(asked)
    return found


def moved(conditioner: Any, tower: str | None) -> Any:
    """A run's node with the file of its text tower where that lies now; None leaves it as it is."""
    if tower is None:
        return conditioner
    found = conditioner.copy()
    OmegaConf.update(found, next(iter(tower_keys(found)), "pretrained"), escaped(tower))
    return found


def init_faults(composition: Composition) -> Iterator[str]:
    """An ``init`` that has no weights, or weights of the other stage."""
    config = composition.config
    path = config.get("init")
    if not isinstance(path, str) or config.get("resume") is not None or run_fault("init", path):
        return
    there, here = stage_of(OmegaConf.load(Path(path) / "config.yaml")), stage_of(config)  # type: ignore[arg-type]
    if there != here:
        yield f"init={path}: it trained the stage {there}, and this is {here}; give a run of the same stage"
    elif not any(Path(path, "checkpoints").glob("step-*.ckpt")):
        yield f"init={path}: it has no checkpoint yet; go on with it by python train.py resume={path}"


def _finished(run: Path, stage: str) -> bool:
    """Whether there is what the commands load."""
    if stage == "autoencoder":
        return (run / "first_stage" / "HASH").is_file()
    return any((run / "checkpoints").glob("step-*.ckpt"))


def _of_data(command: str, asked: DictConfig, config: DictConfig) -> Iterator[str]:
    """Pictures that are no longer there, where they are needed."""
    root = OmegaConf.select(config, "data.root")
    if not isinstance(root, str) or Path(root).is_dir() or OmegaConf.select(config, "data.download"):
        return
    gone = f"run={asked.run}: its pictures, data.root={root}, are not there any more; put them back"
    if command == "evaluate":
        yield gone
    elif asked.prompt is None and Reads.of(config.get("conditioner")).text:
        yield f'{gone}, or say what to draw with prompt="..."'


def _of_checkpoint(asked: DictConfig, run: Path, stage: str) -> Iterator[str]:
    """A best one where none was kept, or where the artifact alone counts."""
    if asked.get("checkpoint") != "best":
        return
    if stage == "autoencoder":
        yield f"checkpoint=best: the artifact of {run} is of its last step; leave it out"
    elif not (run / "checkpoints" / "best.json").is_file():
        yield f"checkpoint=best: {run} watched no metric (callback.checkpoints.monitor); leave it out"


def _of_tower(asked: DictConfig, config: DictConfig) -> Iterator[str]:
    """A text tower whose file is not there, or another than of a file that is given for one."""
    tower, conditioner = OmegaConf.select(asked, "conditioner.pretrained"), config.get("conditioner")
    files = len(tower_keys(conditioner))
    if tower is None or (files == 1 and names_file(tower)):
        yield from tower_faults(moved(conditioner, tower), "conditioner.pretrained" if files == 1 else None)
    elif files > 1:
        remedy = f"correct those that lie elsewhere now in {Path(asked.run, 'config.yaml')}"
        yield f"conditioner.pretrained={tower}: run={asked.run} has text towers of {files} files; {remedy}"
    elif names_file(tower):
        yield f"conditioner.pretrained={tower}: run={asked.run} has no text tower of a file; leave it out"
    else:
        yield f"conditioner.pretrained={tower}: wants a path, to the file of the run's text tower; leave it out"


def _of_sampling(asked: DictConfig, config: DictConfig, composition: Composition) -> Iterator[str]:
    if asked.get("sampler") is not None:
        yield from _unpaired(composition, config.process, asked.sampler)
    scale = asked.get("guidance_scale")
    if isinstance(scale, int | float) and scale < 0:
        yield f"guidance_scale={scale}: steers away from the condition; give 0 (it plays no part), 1 (off) or more"
    conditioner = Reads.of(config.get("conditioner"))
    guidance = config.get("guidance") if asked.get("guidance") is None else asked.guidance
    for key in [each for each in ("guidance_scale", "sweep.guidance_scale") if OmegaConf.select(asked, each)]:
        given = f"{key}={OmegaConf.select(asked, key)}"
        if not conditioner.text and not conditioner.classes:
            yield f"{given}: the run was trained without a condition, there is nothing to guide by"
        if guidance is None:
            yield f"{given}: the run was trained without guidance; add guidance=cfg"
    in_use = guidance.get("scale") if scale is None and guidance is not None else scale
    if asked.get("negative_prompt") is not None and (guidance is None or in_use == 1):
        yield "negative_prompt: says nothing without guidance; give guidance_scale=3 for example"


def _of_average(asked: DictConfig, run: Path) -> Iterator[str]:
    """Another average than the run's own, where it kept no snapshots."""
    widths = [
        ("ema", asked.get("ema")),
        *(("sweep.ema", width) for width in OmegaConf.select(asked, "sweep.ema") or ()),
    ]
    for key, width in widths:
        if width is not None and not any((run / "ema").glob("*.safetensors")):
            yield f"{key}={width}: {run} kept no snapshots of its averages; train with callback.snapshots.count=20"
        elif isinstance(width, (int, float)) and not NARROWEST <= width <= WIDEST:
            yield f"{key}={width}: snapshots make widths from {NARROWEST} to {WIDEST}"


def _of_distances(asked: DictConfig, config: DictConfig) -> Iterator[str]:
    """What is of distances, where neither the command line nor the run says in which features."""
    if swept(asked) or asked.get("extractor") is not None or config.get("extractor") is not None:
        return
    for key in ("metrics", "kid_size", "memorisation"):
        if asked.get(key) not in (None, False):
            remedy = "give extractor=NAME extractor.weights=FILE"
            yield f"{key}: run={asked.run} has no extractor of its own to measure distances by; {remedy}"


def _of_pixels(asked: DictConfig, config: DictConfig) -> Iterator[str]:
    """What is of reconstructions, where there are none."""
    pixels = OmegaConf.select(config, "first_stage._target_") == _PIXELS
    if pixels and asked.get("perceptual") is not None and not swept(asked):
        yield f"perceptual: run={asked.run} draws pixels, without an autoencoder that reconstructs; leave it out"


def _of_drawing(composition: Composition) -> Iterator[str]:
    """What is of samples alone."""
    for key in composition.given(_OF_SAMPLES):
        yield f"{key}: run={composition.config.run} trained an autoencoder, which draws no samples; leave it out"


def _unpaired(composition: Composition, process: Any, sampler: Any) -> Iterator[str]:
    """``pair_faults``, each with the key of the part that does not fit."""
    alone = pair_faults(process)
    yield from (f"process.parameterization: {fault}" for fault in alone)
    for fault in pair_faults(process, sampler):
        if fault not in alone:
            yield f"sampler: {fault} ({composition.file('sampler._target_')})"


def _of_prompts(asked: DictConfig, reads: Reads) -> Iterator[str]:
    """Words for a run that reads none, classes that it does not know, and half of what it reads."""
    what = _kinds(reads)
    for key in ("prompt", "negative_prompt"):
        if asked[key] is not None and not reads.text:
            yield f"{key}={asked[key]}: the run reads no text, it was trained on {what}; leave it out"
    if asked.label is not None:
        if not reads.classes:
            yield f"label={asked.label}: the run reads no class, it was trained on {what}; leave it out"
        elif reads.number(str(asked.label)) is None:
            yield f"label={asked.label}: {_no_class(str(asked.label), reads)}"
    if reads.text and reads.classes and (asked.prompt is None) != (asked.label is None):
        missing = "label" if asked.label is None else "prompt"
        yield f"{missing}: the run was trained on classes and captions together; give both prompt= and label=, or none"


def _kinds(reads: Reads) -> str:
    if reads.classes:
        return f"{reads.classes} classes"
    return "captions" if reads.text else "no condition"


def _no_class(label: str, reads: Reads) -> str:
    known = ", ".join(reads.names[:LISTED]) or f"0 to {reads.classes - 1}"
    more = f" and {len(reads.names) - LISTED} more" if len(reads.names) > LISTED else ""
    near = nearest(label, reads.names)
    return f"is no class of the run; {f'did you mean {near}? ' if near else ''}its {reads.classes} are {known}{more}"


def _of_out(asked: DictConfig) -> Iterator[str]:
    """A folder or a sheet where something lies already, and a run that takes no pictures where none is named."""
    if asked.out is None:
        yield from unwritable("run", asked.run, Path(asked.run, "samples"), other="give out=FOLDER elsewhere")
        return
    folder, sheet = Path(asked.out), sheet_of(Path(asked.out))
    if folder.is_dir() and any(folder.iterdir()):
        yield f"out={asked.out}: holds files already; give a new or an empty folder"
    elif exists(sheet):
        yield f"out={asked.out}: {sheet}, its sheet, is there already; give another name, or remove it"
    else:
        yield from unwritable("out", asked.out, sheet.parent)
