"""The numbers of single pictures beside an evaluation: kept, and those of two evaluations held against each other."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from darkroom.files import reading, replacing


def beside(evaluation: Path) -> Path:
    """Where they lie."""
    return evaluation.with_name(f"{evaluation.stem}_pictures.npz")


def save_by_picture(path: Path, by_picture: Mapping[str, Float[Any, " n"]]) -> None:
    """An ``.npz`` of a vector a metric, beside ``index``, the pictures' places in the validation split."""
    arrays: dict[str, Any] = {name: np.asarray(values) for name, values in by_picture.items()}
    arrays["index"] = np.arange(len(next(iter(arrays.values()))))
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez(file, **arrays)


def sds_of_differences(first: Path, second: Path) -> dict[str, float]:
    """The standard error of the mean difference, by the names that two such files share.

    Both look at the same pictures, of which the hard ones are hard for both: that part of the spread cancels. Empty
    where a file is missing or is of other pictures. A PSNR that is infinite counts in no mean, so only pictures that
    are finite in both files can be paired: where others are finite in one alone, its name is left out.
    """
    if not (first.is_file() and second.is_file()):
        return {}
    a, b = _read(first), _read(second)
    if not np.array_equal(a.pop("index"), b.pop("index")):
        return {}
    found = {}
    for name in (each for each in a if each in b):
        finite = np.isfinite(a[name])
        if np.array_equal(finite, np.isfinite(b[name])) and (n := int(finite.sum())) > 1:
            found[name] = float((b[name][finite] - a[name][finite]).std(ddof=1, dtype=np.float64)) / n**0.5
    return found


def _read(path: Path) -> dict[str, Any]:
    remedy = "move it away; it is written anew by evaluate.py run=RUN"
    with reading(path, remedy):
        try:
            with np.load(path, allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
        except ValueError as error:  # numpy takes for a pickle what begins like no .npz
            raise zipfile.BadZipFile(str(error)) from error
    if "index" not in found:
        raise ValueError(f"{path}: holds no index, so that it is of no evaluation; {remedy}")
    return found
