"""Faults of the files and folders that commands are to write. Standard library."""

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from pathlib import Path

from omegaconf import DictConfig

from darkroom.commands.checking.argv import name
from darkroom.commands.checking.compose import Composition, Space, composed
from darkroom.commands.checking.limits import run_fault, unwritable
from darkroom.commands.checking.paths import exists, is_folder
from darkroom.commands.checking.swept import swept

# pictures and the numbers of each: as measure.py, sweep.py and memorisation.py in darkroom.commands have them
_BESIDE = (".png", "_copies.png", "_pictures.npz")


def written_faults(composition: Composition) -> Iterator[str]:
    """Names of the wrong kind, files that are there already, and a run that takes none where none is named.

    Only the file that a run holds by itself is renewed.
    """
    config = composition.config
    if config.get("compare"):  # which writes nothing
        return
    run, out, statistics = config.get("run"), config.get("out"), config.get("statistics_out")
    if out is None and isinstance(run, str) and run_fault("run", run) is None:
        yield from unwritable("run", run, Path(run), other="give out=FILE.json elsewhere")
    if isinstance(out, str) and out:  # an empty one is told of by darkroom.commands.checking.limits
        if is_folder(out) or not out.endswith(".json"):
            name = Path(out, "evaluation.json") if is_folder(out) else Path(out).with_suffix(".json")
            yield f"out={out}: is not the name of a .json file; give out={name} for example"
        else:
            beside = _BESIDE if run or config.get("training") else ()
            yield from _kept("out", Path(out), *(Path(out.removesuffix(".json") + end) for end in beside))
    if isinstance(statistics, str) and statistics:
        yield from _kept("statistics_out", Path(statistics))


def sheet_of(folder: Path) -> Path:
    """Where sample.py shows the pictures in ``folder`` together: beside it, for what lies in it counts as samples."""
    named = folder.resolve() if folder.name in ("", "..") else folder
    return named.parent / f"{named.name}_grid.png"


def clash_faults(space: Space, jobs: Sequence[Sequence[str]]) -> Iterator[str]:
    """What several jobs of one sweep would write over each other."""
    given = {name(text) for text in jobs[0]}
    if len(jobs) < 2 or (space.name != "evaluate" and not given & {"out", "run_id"}):
        return
    places = Counter(place for job in jobs for place in _places(space, composed(space, job).config, given))
    for (key, path), count in places.items():
        if count > 1:
            yield _clash(key, path, count)


def _places(space: Space, config: DictConfig, given: Set[str]) -> list[tuple[str, Path]]:
    """Where a job writes, and the key that says so, empty where none does; ``${hydra:job.num}`` is of this job yet."""
    found = [(key, Path(config[key])) for key in ("out", "statistics_out") if key in given and config.get(key)]
    if space.name == "evaluate" and (own := _own(config)) is not None:
        found.append(("", own))
    if "run_id" in given:
        found.append(("run_id", _run(config)))
    return found


def _clash(key: str, path: Path, count: int) -> str:
    if key == "run_id":
        own = f"run_id='{path.name}-${{hydra:job.num}}'"
        return f"run_id={path.name}: {count} jobs would be one run, {path}; give each its own, as in {own}"
    own = f"{key or 'out'}='{path.with_suffix('')}-${{hydra:job.num}}{path.suffix}'"
    where = f"{key}={path}" if key else path
    return f"{where}: {count} jobs would write it, one over the other; give each its own, as in {own}"


def _run(config: DictConfig) -> Path:
    """The folder of a job, as conf/hydra/default.yaml has it."""
    return Path(config.logs, config.stage.name, str(config.run_id))


def _own(config: DictConfig) -> Path | None:
    """The file that evaluate.py writes where ``out`` names none; as its commands have it."""
    if config.get("out") is not None or config.get("compare"):
        return None
    if config.get("probe"):
        return Path(config.probing.folder, "probe.json")
    if config.get("run") is None:
        return None
    return Path(config.run, "sweep.json" if swept(config) else "evaluation.json")


def _kept(key: str, *paths: Path) -> Iterator[str]:
    """That it would be written over; the first of ``paths`` is the value of ``key``."""
    if there := [str(path) for path in paths if exists(path)]:
        are, them = ("is", "it") if len(there) == 1 else ("are", "them")
        yield f"{key}={paths[0]}: {' and '.join(there)} {are} there already; give another name, or remove {them}"
