"""Pictures with their captions: a grid worth showing."""

from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import NamedTuple

from jaxtyping import UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from darkroom.files import replacing
from darkroom.runs.fonts import Font, font_for

_READABLE = 160  # pixels: the narrowest tile under which a caption of ten words stays within three lines
_MARGIN, _GAP = 16, 12
_SPACING = 3  # between lines
_GROUND, _INK = (255, 255, 255), (40, 40, 40)


class _Layout(NamedTuple):
    """Sizes in pixels."""

    columns: int
    tile: tuple[int, int]
    text: int  # height under each tile


def grid(
    pictures: UInt8[Tensor, "n 3 H W"],
    captions: Sequence[str] | None = None,
    columns: int | None = None,  # None: about as many as rows
    scale: int | None = None,  # None: small pictures are enlarged so that captions are readable
) -> Image.Image:
    """Pictures in rows on white, each over its caption, which is wrapped to the picture's width.

    Enlarged by whole factors with bicubic filtering. Raises ValueError without pictures or with captions of another
    number.
    """
    if len(pictures) == 0:
        raise ValueError("a grid needs at least one picture; got 0")
    if captions is not None and len(captions) != len(pictures):
        raise ValueError(f"{len(captions)} captions for {len(pictures)} pictures; give one each")
    height, width = pictures.shape[-2:]
    scale = scale or max(1, ceil(_READABLE / width))
    font = font_for(captions or [], size=13)
    line = int(font.getbbox("A")[3]) + _SPACING  # Pillow's step in a text of several
    texts = [_wrap(text, font, width * scale) for text in captions or [""] * len(pictures)]
    layout = _Layout(
        columns=min(columns or ceil(sqrt(len(pictures))), len(pictures)),
        tile=(width * scale, height * scale),
        text=0 if captions is None else 8 + line * max(text.count("\n") + 1 for text in texts),
    )
    sheet = Image.new("RGB", _place(layout, ceil(len(pictures) / layout.columns), layout.columns, end=True), _GROUND)
    draw = ImageDraw.Draw(sheet)
    for index, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        x, y = _place(layout, *divmod(index, layout.columns))
        tile = Image.fromarray(picture.permute(1, 2, 0).cpu().numpy())
        sheet.paste(tile.resize(layout.tile, Image.Resampling.BICUBIC) if scale > 1 else tile, (x, y))
        draw.multiline_text((x, y + layout.tile[1] + 4), text, fill=_INK, font=font, spacing=_SPACING)
    return sheet


def save_grid(
    path: Path, pictures: UInt8[Tensor, "n 3 H W"], captions: Sequence[str] | None = None, columns: int | None = None
) -> None:
    """:func:`grid` as a PNG, whole or absent."""
    with replacing(path) as draft:
        grid(pictures, captions, columns).save(draft, format="PNG")


def _place(layout: _Layout, row: int, column: int, end: bool = False) -> tuple[int, int]:
    """The upper left corner of a tile; with ``end`` the size of a sheet of that many rows and columns."""
    x = _MARGIN + column * (layout.tile[0] + _GAP)
    y = _MARGIN + row * (layout.tile[1] + layout.text + _GAP)
    return (x - _GAP + _MARGIN, y - _GAP + _MARGIN) if end else (x, y)


def _wrap(text: str, font: Font, width: int) -> str:
    """``text`` in lines no wider than ``width`` pixels; a word that is wider is broken."""
    lines: list[str] = [""]
    for word in text.split():
        candidate = f"{lines[-1]} {word}".strip()
        if font.getlength(candidate) <= width:
            lines[-1] = candidate
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return "\n".join(lines)
