"""Faults of the files that ``evaluate.py`` is to write. Standard library."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from darkroom.commands.checking.argv import name
from darkroom.commands.checking.compose import Composition, Space, composed
from darkroom.commands.checking.paths import exists, is_folder

# pictures and the numbers of each: as measure.py, sweep.py and memorisation.py in darkroom.commands have them
_BESIDE = (".png", "_copies.png", "_pictures.npz")


def written_faults(composition: Composition) -> Iterator[str]:
    """Names of the wrong kind, and files that are there already: only the one that a run holds by itself is renewed."""
    config = composition.config
    if config.get("compare"):  # which writes nothing
        return
    out, statistics = config.get("out"), config.get("statistics_out")
    if isinstance(out, str) and out:  # an empty one is told of by darkroom.commands.checking.limits
        if is_folder(out) or not out.endswith(".json"):
            name = Path(out, "evaluation.json") if is_folder(out) else Path(out).with_suffix(".json")
            yield f"out={out}: is not the name of a .json file; give out={name} for example"
        else:
            beside = _BESIDE if config.get("run") or config.get("training") else ()
            yield from _kept("out", Path(out), *(Path(out.removesuffix(".json") + end) for end in beside))
    if isinstance(statistics, str) and statistics:
        yield from _kept("statistics_out", Path(statistics))


def clash_faults(space: Space, jobs: Sequence[Sequence[str]]) -> Iterator[str]:
    """What several jobs of one sweep would write over each other."""
    given = {name(text) for text in jobs[0]} if len(jobs) > 1 else ()
    for key in ("out", "statistics_out"):
        if key not in given:
            continue
        places = Counter(Path(path) for job in jobs if (path := composed(space, job).config.get(key)))
        for path, count in places.items():
            if count > 1:
                own = f"{key}='{str(path).removesuffix(path.suffix)}-${{hydra:job.num}}{path.suffix}'"
                yield f"{key}={path}: {count} jobs would write it, one over the other; give each its own, as in {own}"


def _kept(key: str, *paths: Path) -> Iterator[str]:
    """That it would be written over; the first of ``paths`` is the value of ``key``."""
    if there := [str(path) for path in paths if exists(path)]:
        are, them = ("is", "it") if len(there) == 1 else ("are", "them")
        yield f"{key}={paths[0]}: {' and '.join(there)} {are} there already; give another name, or remove {them}"
