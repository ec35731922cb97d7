"""A file to an upright RGB picture, whatever its format, mode, bit depth and orientation.

Transparency is laid over a ground colour, 12-bit, 16-bit and float pixels are scaled (not cut off), CMYK goes through
Pillow's plain conversion (colour profiles are ignored), and of an animation the first frame counts.
"""

import functools
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

WHITE = (255, 255, 255)
MAX_PIXELS = 89_000_000  # just below the size at which Pillow begins to warn of decompression bombs
_FOREIGN = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}  # Pillow leaves them to other programs: EPS to Ghostscript
_BITS_PER_SAMPLE = 258  # a tag of TIFF
_DRAFT_MARGIN = 2  # a reduced JPEG keeps twice the wanted side, so that the bicubic filter still has the last word
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # max_pixels decides, and says so


class UnreadablePicture(ValueError):
    """A file that cannot be turned into a picture; the message begins with its path."""


def decode(
    path: str | Path,
    *,
    background: Sequence[int] = WHITE,
    max_pixels: int = MAX_PIXELS,
    short_side: int | None = None,
) -> Image.Image:
    """The picture in ``path`` as Pillow RGB, upright.

    Args:
        background: RGB in 0..255, shown where the picture is transparent.
        max_pixels: a picture that would be decoded to more of them is refused before it is unpacked. Pillow itself
            refuses from 178,956,970 in the file on, which bounds the coefficients that a progressive JPEG holds at full
            size: some 6 bytes a pixel.
        short_side: what the caller will scale the shorter side to; JPEGs far larger are decoded at 1/2, 1/4 or 1/8
            scale, never below twice this side. None decodes at full size.

    Raises:
        UnreadablePicture: for whatever reason the file gives no picture.
    """
    try:
        with Image.open(path, formats=_formats()) as file:
            _reduce(file, short_side)
            _refuse_bomb(file, max_pixels)
            return _rgb(ImageOps.exif_transpose(file), background, _white(file))
    except Exception as fault:  # Pillow's readers let OSError, SyntaxError, struct.error, zlib.error and more through
        raise _unreadable(path, fault) from fault


def probe(path: str | Path, *, max_pixels: int = MAX_PIXELS, short_side: int | None = None) -> None:
    """Read the header alone, which is a hundred times faster; raises :class:`UnreadablePicture` as ``decode`` does.

    A file cut short behind its header passes: only decoding finds that.
    """
    try:
        with Image.open(path, formats=_formats()) as file:
            _reduce(file, short_side)
            _refuse_bomb(file, max_pixels)
    except Exception as fault:
        raise _unreadable(path, fault) from fault


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those that Pillow decodes itself, common ones first."""
    Image.preinit()
    Image.init()
    return tuple(name for name in Image.OPEN if name not in _FOREIGN)


def _unreadable(path: str | Path, fault: Exception) -> UnreadablePicture:
    if isinstance(fault, Image.UnidentifiedImageError):
        empty = Path(path).stat().st_size == 0
        return UnreadablePicture(f"{path}: {'the file is empty' if empty else 'not a picture that Pillow knows'}")
    reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
    return UnreadablePicture(f"{path}: {reason or type(fault).__name__}")


def _refuse_bomb(file: Image.Image, max_pixels: int) -> None:
    width, height = file.size
    if width * height > max_pixels:
        raise ValueError(f"{width} x {height} pixels are more than max_pixels={max_pixels}")


def _reduce(file: Image.Image, short_side: int | None) -> None:
    """Ask a JPEG's decoder for the smallest scale whose shorter side is still long enough; others ignore it."""
    if short_side is not None:
        file.draft(None, (_DRAFT_MARGIN * short_side,) * 2)  # None leaves the colour mode


def _white(file: Image.Image) -> int:
    """The value of white in grey of more than 8 bits, which Pillow brings to 16 except the 12 of a TIFF."""
    if file.mode == "F":
        return 1
    bits = getattr(file, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))[0]
    return 4095 if bits == 12 else 65535


def _rgb(image: Image.Image, background: Sequence[int], white: int) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _eight_bit(image, white)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return image.convert("RGB")


def _eight_bit(image: Image.Image, white: int) -> Image.Image:
    """Grey of 0..``white`` to 8 bits, rounded, with the colour that PNG marks as transparent.

    Pillow holds 16-bit PGM as 32-bit mode I. Values outside the range have no agreed white, so they are refused.
    """
    pixels = np.asarray(image)
    if not (pixels.min() >= 0 and pixels.max() <= white):  # written so that NaN fails too
        raise ValueError(f"grey values {pixels.min()} to {pixels.max()} lie outside 0..{white}; rescale the file")
    grey = Image.fromarray(np.rint(pixels * (255.0 / white)).astype(np.uint8))
    if "transparency" in image.info:
        alpha = np.where(pixels == image.info["transparency"], 0, 255).astype(np.uint8)
        return Image.merge("LA", (grey, Image.fromarray(alpha)))
    return grey
