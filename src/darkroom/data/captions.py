"""Captions that lie beside pictures: rows of ``metadata.jsonl`` and ``.txt`` files of the same name.

``metadata.jsonl`` is the convention of Hugging Face's image folders: one JSON object a line with ``file_name``,
relative to the folder that the file lies in, and ``text``. Names are compared in Unicode's composed form, since some
file systems keep accents apart.
"""

import json
import logging
import posixpath
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

METADATA = "metadata.jsonl"
_SHOWN = 3  # names in a warning
_log = logging.getLogger(__name__)


def read_captions(root: Path, pictures: Sequence[str], files: Iterable[str]) -> list[str] | None:
    """A caption for each of ``pictures``, or None where there is not one in the whole folder.

    A row wins over a ``.txt``. A picture with neither has the empty caption, which trains the unconditional case;
    rows without a picture are left out. Both are counted in a warning, and one names a file whose rows have other keys
    but no ``text``.

    Args:
        pictures: names relative to ``root``, with forward slashes.
        files: names of all files below ``root``.

    Raises:
        ValueError: a line that is not such a row, a picture with two rows, or text that is not UTF-8.
    """
    files = set(files)
    rows = _all_rows(root, sorted(name for name in files if posixpath.basename(name) == METADATA))
    texts = {name for name in files if name.endswith(".txt")}
    captions = [_caption(root, name, rows, texts) for name in pictures]
    _warn("rows of metadata.jsonl name no picture", sorted(rows.keys() - {_composed(name) for name in files}))
    if not any(captions):
        return None
    _warn(
        "pictures have no caption and get the empty one",
        [name for name, text in zip(pictures, captions, strict=True) if not text],
    )
    return captions


def _caption(root: Path, picture: str, rows: dict[str, str], texts: set[str]) -> str:
    if text := rows.get(_composed(picture)):
        return text
    beside = posixpath.splitext(picture)[0] + ".txt"
    return " ".join(_read(root / beside).split()) if beside in texts else ""


def _all_rows(root: Path, files: Sequence[str]) -> dict[str, str]:
    """Caption by picture name; the empty string where a row has no ``text``."""
    captions: dict[str, str] = {}
    for file in files:
        keys: set[str] = set()
        for number, line in enumerate(_read(root / file).split("\n"), start=1):
            if not line.strip():
                continue
            where = f"{root / file}, line {number}"
            row = _row(line, where)
            name, text = row["file_name"], " ".join((row.get("text") or "").split())
            keys |= row.keys()
            picture = _composed(posixpath.normpath(posixpath.join(posixpath.dirname(file), name)))
            if picture in captions:
                raise ValueError(f"{where}: a second row for {name!r}; keep one row a picture")
            captions[picture] = text
        if "text" not in keys and (others := sorted(keys - {"file_name"})):
            shown = ", ".join(others)
            _log.warning("%s: no row has text, which would be the caption; the rows have %s", root / file, shown)
    return captions


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as fault:
        raise ValueError(f"{where}: not JSON ({fault}); each line is one object with file_name and text") from fault
    if not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
        raise ValueError(f"{where}: no file_name; each line is one object with file_name and text")
    text = row.get("text")
    if text is not None and not isinstance(text, str):
        raise ValueError(f"{where}: text={text!r} is not a string; write one caption a picture")
    return row


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as fault:
        raise ValueError(f"{path}: not UTF-8 ({fault.reason} at byte {fault.start}); save it as UTF-8") from fault


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _warn(what: str, names: Sequence[str]) -> None:
    if names:
        more = ", ..." if len(names) > _SHOWN else ""
        _log.warning("%d %s: %s%s", len(names), what, ", ".join(names[:_SHOWN]), more)
