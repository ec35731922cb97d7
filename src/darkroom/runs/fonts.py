"""A font for captions in any script: Pillow's own has little beyond ASCII, not even an é."""

import logging
from collections.abc import Iterable
from functools import cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_log = logging.getLogger(__name__)
_SYSTEM = (  # as Linux, macOS and Windows name them; Pillow searches the system's folders
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "NanumGothic.ttf",
    "AppleGothic.ttf",
    "malgun.ttf",
    "DejaVuSans.ttf",
)


def font_for(texts: Iterable[str], size: int) -> Font:
    """Pillow's own where it has all letters, else of it and the system's the one that lacks fewest.

    Warns, once a process, where that one lacks any.
    """
    letters = sorted(set("".join("".join(texts).split())))
    own: Font = ImageFont.load_default(size)
    if not _lacking(own, letters):
        return own
    font = min((own, *_system(size)), key=lambda each: len(_lacking(each, letters)))
    if _lacking(font, letters):
        _warn_once()
    return font


@cache
def _system(size: int) -> tuple[Font, ...]:
    found: list[Font] = []
    for name in _SYSTEM:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:  # not on this machine
            continue
    return tuple(found)


def _lacking(font: Font, letters: Iterable[str]) -> list[str]:
    """The letters that are drawn as U+FFFF is, which no font has."""
    absent = _drawn(font, "\uffff")
    return [letter for letter in letters if _drawn(font, letter) == absent]


def _drawn(font: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


@cache  # no second time
def _warn_once() -> None:
    _log.warning(
        "no font here has all letters of the captions: sheets of pictures show boxes instead, which no training sees; "
        "install Noto Sans CJK or its like"
    )
