"""How a folder of pictures is laid out: its files, splits and classes. Standard library only, and nothing is opened
but ``classes.json``: the command line asks here before torch is loaded.
"""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

COMMON = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff", ".tga", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
)
EXTENSIONS = (  # all that Pillow decodes by itself
    *COMMON,
    *(".apng", ".avifs", ".blp", ".bw", ".cur", ".dcx", ".dds", ".dib", ".fit", ".fits", ".flc", ".fli", ".ftc"),
    *(".ftu", ".gbr", ".icb", ".icns", ".ico", ".iim", ".im", ".j2c", ".j2k", ".jpc", ".jpf", ".jpx", ".mpo"),
    *(".msp", ".pcd", ".pcx", ".psd", ".pxr", ".qoi", ".ras", ".rgb", ".rgba", ".sgi", ".vda", ".vst", ".xbm", ".xpm"),
)
_BESIDE = (  # what lies beside pictures and tells of them, or of the folder
    *(".txt", ".caption", ".json", ".jsonl", ".csv", ".tsv", ".parquet", ".npz", ".npy", ".md", ".rst", ".pdf"),
    *(".xml", ".html", ".yaml", ".yml", ".toml", ".ini", ".db", ".sha256", ".md5", ".py", ".zip", ".tar", ".gz"),
)
_NOTES = {"readme", "license", "licence", "copying", "notice", "authors", "citation", "manifest", "checksums"}
_TRAIN, _VALIDATION = "train", ("val", "validation", "test")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """Names are relative to the root, with forward slashes, and in order."""

    files: tuple[str, ...]  # all that are not hidden
    train: tuple[str, ...]
    validation: tuple[str, ...]  # empty where the folder gives no split
    classes: tuple[str, ...] | None
    folders: dict[str, str]  # of each picture: the sub-folder of its split, "" where it lies in none


def survey(root: Path) -> Layout:
    """What lies below ``root``; links are followed, hidden files and folders are not.

    Where ``root`` holds ``train`` and one of ``val``, ``validation``, ``test`` (the first there is), those are the
    splits. The sub-folders of a split are classes, unless a picture lies in none of them or there is but one; their
    order is ``classes.json`` in ``root``, a list of names, else the alphabet.

    Raises:
        OSError: no such folder, one that may not be read, or fewer than two pictures in it.
        ValueError: classes that ``classes.json`` or the training pictures do not have.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"data.root={root}: no such folder")
    files = tuple(sorted(_files(root, root, frozenset())))
    names = _pictures(files)
    train_folder, validation_folder = _given_split(names)
    train = tuple(name for name in names if name.startswith(train_folder))
    validation = tuple(name for name in names if validation_folder and name.startswith(validation_folder))
    if len(train) + len(validation) < 2:
        raise FileNotFoundError(
            f"data.root={root}: holds {len(train) or 'no'} picture{'' if train else 's'}, and two are the least: "
            f"one to train and one to validate; pictures end in {' '.join(COMMON)} and the like"
        )
    folders = {name: _sub_folder(name, train_folder) for name in train}
    folders |= {name: _sub_folder(name, validation_folder) for name in validation}
    classes = _classes(root, [folders[name] for name in train], [folders[name] for name in validation])
    return Layout(files, train, validation, classes, folders)


def picture_names(root: Path) -> list[str]:
    """The pictures below ``root`` at any depth, in order; raises OSError where it is no folder that may be read."""
    files = sorted(_files(root, root, frozenset()))
    warn_of_others(root, files)
    return _pictures(files)


def warn_of_others(root: Path, files: Sequence[str]) -> None:
    """Says which files are left out that may have been meant as pictures: by their names they are nothing else."""
    paths = map(Path, files)
    known = {*EXTENSIONS, *_BESIDE}
    others = [path for path in paths if path.suffix.lower() not in known and path.stem.lower() not in _NOTES]
    if others:
        what = "1 file is" if len(others) == 1 else f"{len(others)} files are"
        _log.warning("%s: %s left out, no picture by the name: %s; rename it to .png, say", root, what, others[0])


def _pictures(files: Sequence[str]) -> list[str]:
    return [name for name in files if Path(name).suffix.lower() in EXTENSIONS]


def _files(folder: Path, root: Path, above: frozenset[str]) -> Iterator[str]:
    """Names of all files below ``folder``; ``above`` are the real folders on the way, to end a circle of links."""
    real = os.path.realpath(folder)
    if real in above:
        return
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        path, linked = Path(entry.path), entry.is_symlink()
        if path.is_dir() if linked else entry.is_dir():  # the entry knows without asking the disk, if it is no link
            yield from _files(path, root, above | {real})
        elif path.is_file() or not path.exists() if linked else entry.is_file():
            yield path.relative_to(root).as_posix()  # a link to nowhere shall be named as unreadable


def _given_split(names: Sequence[str]) -> tuple[str, str]:
    """Prefixes of the training and the validation pictures; empty where the folder gives none."""
    tops = {name.partition("/")[0] if "/" in name else "" for name in names}
    validation = next((folder for folder in _VALIDATION if folder in tops), None)
    if _TRAIN not in tops or (validation is None and tops != {_TRAIN}):
        return "", ""  # without its counterpart and among other folders, "train" is the class of trains
    if left := tops - {_TRAIN, validation}:
        _log.warning("pictures outside %s and %s are left out: %s", _TRAIN, validation, ", ".join(sorted(left)) or ".")
    return f"{_TRAIN}/", f"{validation}/" if validation else ""


def _sub_folder(name: str, split: str) -> str:
    folder, slash, _ = name.removeprefix(split).partition("/")
    return folder if slash else ""


def _classes(root: Path, train: Sequence[str], validation: Sequence[str]) -> tuple[str, ...] | None:
    """Names in the order of the labels, from the sub-folders of both splits ("" is none)."""
    file = root / "classes.json"
    if file.is_file():
        classes = _listed_classes(file)
        origin = str(file)
    else:
        classes = tuple(sorted(set(train)))
        origin = "the training pictures"
        if "" in classes or len(classes) < 2:
            if len(classes) > 1:
                _log.warning("data.root=%s: pictures lie beside the sub-folders, which are no classes then", root)
            return None
    if strange := sorted({*train, *validation} - set(classes)):
        listed = ", ".join(name or "(none)" for name in strange)
        raise ValueError(f"data.root={root}: sub-folders that are no class of {origin}: {listed}; add or move them")
    return classes


def _listed_classes(file: Path) -> tuple[str, ...]:
    try:
        classes = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as fault:
        raise ValueError(f"{file}: not JSON ({fault}); write a list of folder names in the order of labels") from fault
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError(f"{file}: write a list of folder names in the order of labels, or rename the file")
    if len(set(classes)) < len(classes):
        raise ValueError(f"{file}: names a class twice; name each once")
    return tuple(classes)
