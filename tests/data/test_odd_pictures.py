"""A folder of odd files through ``image_folder``: each comes out with known pixels, or is named and skipped."""

import io
import json
import logging
import os
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from darkroom.contracts import Visit
from darkroom.data.image_folder import ImageFolder
from darkroom.data.layout import EXTENSIONS

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
BLACK, WHITE, CYAN = (0, 0, 0), (255, 255, 255), (0, 255, 255)
UPRIGHT = [RED, GREEN, BLUE, YELLOW]  # the corners, clockwise from the upper left
TONES = [BLACK, WHITE, BLACK, WHITE]
SIDE = 32
ORIENTATION = 274  # EXIF tag
TURNED = [  # by EXIF orientation 1 to 8
    [RED, GREEN, BLUE, YELLOW],
    [GREEN, RED, YELLOW, BLUE],
    [BLUE, YELLOW, RED, GREEN],
    [YELLOW, BLUE, GREEN, RED],
    [RED, YELLOW, BLUE, GREEN],
    [YELLOW, RED, GREEN, BLUE],
    [BLUE, GREEN, RED, YELLOW],
    [GREEN, BLUE, YELLOW, RED],
]


def quarters(colours: list, mode: str = "RGB") -> Image.Image:
    """Four squares of one colour each."""
    image = Image.new("RGB", (SIDE, SIDE))
    half = SIDE // 2
    for colour, place in zip(colours, [(0, 0), (half, 0), (half, half), (0, half)], strict=True):
        image.paste(colour, (*place, place[0] + half, place[1] + half))
    return image.convert(mode)


COLOURS, GREYS, OTHER = quarters(UPRIGHT), quarters(TONES, "L"), Image.new("RGB", (SIDE, SIDE), CYAN)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def animated(kind: str, **options) -> bytes:
    return encoded(COLOURS, kind, save_all=True, append_images=[OTHER, OTHER], duration=50, **options)


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(COLOURS, "JPEG", quality=95, exif=exif)


def transparent(mode: str) -> bytes:
    """Green where it is opaque, on the right; on the left nothing, so that the ground shows."""
    image = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    image.paste((*GREEN, 255) if mode == "RGBA" else (*WHITE, 255), (SIDE // 2, 0, SIDE, SIDE))
    return encoded(image.convert(mode), "PNG")


def transparent_palette() -> bytes:
    image = quarters(UPRIGHT).quantize(4)
    clear = image.getpixel((0, 0))
    return encoded(image, "GIF", transparency=clear)


def deep_grey(kind: str) -> bytes:
    """16 bits."""
    return encoded(Image.fromarray(np.asarray(GREYS).astype(np.uint16) * 257), kind)


def deep_colour() -> bytes:
    """A PNG of 16 bits a channel, which Pillow reads and cannot write."""
    rows = np.asarray(COLOURS).astype(">u2") * 257
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows)
    return png(struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0), zlib.compress(lines))


def png(header: bytes, content: bytes) -> bytes:
    chunks = [b"IHDR" + header, b"IDAT" + content, b"IEND"]
    framed = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def sun_raster() -> bytes:
    header = struct.pack(">8I", 0x59A66A95, SIDE, SIDE, 24, SIDE * SIDE * 3, 3, 0, 0)  # 3: RGB as it stands
    return header + COLOURS.tobytes()


def photoshop() -> bytes:
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, SIDE, SIDE, 8, 3)
    planes = b"".join(channel.tobytes() for channel in COLOURS.split())
    return header + struct.pack(">IIIH", 0, 0, 0, 0) + planes


def x_pixmap() -> bytes:
    names = dict(zip("abcd", ["#FF0000", "#00FF00", "#0000FF", "#FFFF00"], strict=True))
    half = SIDE // 2
    rows = ["a" * half + "b" * half] * half + ["d" * half + "c" * half] * half
    lines = [f"{SIDE} {SIDE} 4 1", *(f"{key} c {colour}" for key, colour in names.items()), *rows]
    return ("/* XPM */\nstatic char *a[] = {\n" + ",\n".join(f'"{line}"' for line in lines) + "\n};\n").encode()


def fits() -> bytes:
    """Its rows begin at the bottom."""
    cards = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 2", f"NAXIS1  = {SIDE}", f"NAXIS2  = {SIDE}", "END"]
    header = "".join(f"{card:<80}" for card in cards).ljust(2880).encode()
    return header + GREYS.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes().ljust(2880, b"\0")


def fax_pages() -> bytes:
    """A container of PCX pictures."""
    pages = [encoded(COLOURS, "PCX"), encoded(OTHER, "PCX")]
    starts = [1026 * 4, 1026 * 4 + len(pages[0])]
    return struct.pack("<1026I", 0x3ADE68B1, *starts, *[0] * 1023) + b"".join(pages)


def noise() -> Image.Image:
    """Does not compress, so that half of a file is half of the picture."""
    values = np.arange(SIDE * SIDE * 3, dtype=np.uint32) * 2654435761 >> 24
    return Image.fromarray(values.astype(np.uint8).reshape(SIDE, SIDE, 3))


def cut(kind: str) -> bytes:
    whole = encoded(noise(), kind)
    return whole[: len(whole) // 2]


GOOD: dict[str, tuple[Callable[[], bytes], list]] = {
    # formats
    **{
        f"format.{suffix}": (lambda kind=kind: encoded(COLOURS, kind), UPRIGHT)
        for suffix, kind in {
            "png": "PNG", "bmp": "BMP", "dib": "DIB", "gif": "GIF", "tif": "TIFF", "tga": "TGA", "ppm": "PPM",
            "pcx": "PCX", "rgb": "SGI", "im": "IM", "qoi": "QOI", "dds": "DDS", "ico": "ICO", "icns": "ICNS",
            "jp2": "JPEG2000", "jpg": "JPEG", "avif": "AVIF", "mpo": "MPO",
        }.items()
    },
    "lossless.webp": (lambda: encoded(COLOURS, "WEBP", lossless=True), UPRIGHT),
    "stream.j2k": (lambda: encoded(COLOURS, "JPEG2000", no_jp2=True), UPRIGHT),
    "packed.tiff": (lambda: encoded(COLOURS, "TIFF", compression="tiff_lzw"), UPRIGHT),
    "in steps.jpeg": (lambda: encoded(COLOURS, "JPEG", progressive=True), UPRIGHT),
    "warcraft.blp": (lambda: encoded(COLOURS.quantize(4), "BLP"), UPRIGHT),
    "sun.ras": (sun_raster, UPRIGHT),
    "layers.psd": (photoshop, UPRIGHT),
    "text.xpm": (x_pixmap, UPRIGHT),
    "pages.dcx": (fax_pages, UPRIGHT),
    "stars.fits": (fits, TONES),
    "float.pfm": (lambda: encoded(Image.fromarray(np.asarray(GREYS) / np.float32(255)), "PPM"), TONES),
    **{
        f"bits.{suffix}": (lambda kind=kind: encoded(GREYS.convert("1"), kind), TONES)
        for suffix, kind in {"pbm": "PPM", "xbm": "XBM", "msp": "MSP"}.items()
    },
    # orientations, animations
    **{f"turned {n}.jpg": (lambda n=n: turned(n), TURNED[n - 1]) for n in range(1, 9)},
    "moving.gif": (lambda: animated("GIF"), UPRIGHT),
    "moving.webp": (lambda: animated("WEBP", lossless=True), UPRIGHT),
    "moving.apng": (lambda: animated("PNG"), UPRIGHT),
    "pages.tiff": (lambda: encoded(COLOURS, "TIFF", save_all=True, append_images=[OTHER]), UPRIGHT),
    # modes
    "ink.jpg": (lambda: encoded(COLOURS.convert("CMYK"), "JPEG", quality=95), UPRIGHT),
    "ink.tif": (lambda: encoded(COLOURS.convert("CMYK"), "TIFF"), UPRIGHT),
    "video.tif": (lambda: encoded(COLOURS.convert("YCbCr"), "TIFF"), UPRIGHT),
    "grey.jpg": (lambda: encoded(GREYS, "JPEG"), TONES),
    "grey, deep.png": (lambda: deep_grey("PNG"), TONES),
    "grey, deep.tif": (lambda: deep_grey("TIFF"), TONES),
    "colour, deep.png": (deep_colour, UPRIGHT),
    "palette.png": (lambda: encoded(COLOURS.quantize(4), "PNG"), UPRIGHT),
    "clear.png": (lambda: transparent("RGBA"), [CYAN, GREEN, GREEN, CYAN]),
    "clear, grey.png": (lambda: transparent("LA"), [CYAN, WHITE, WHITE, CYAN]),
    "clear, palette.gif": (transparent_palette, [CYAN, GREEN, BLUE, YELLOW]),
    "dot.png": (lambda: encoded(Image.new("RGB", (1, 1), RED), "PNG"), [RED] * 4),
    "strip.png": (lambda: encoded(Image.new("RGB", (1, 200), BLUE), "PNG"), [BLUE] * 4),
    # names and places
    "wrong name, png.jpg": (lambda: encoded(COLOURS, "PNG"), UPRIGHT),
    "wrong name, jpeg.png": (lambda: encoded(COLOURS, "JPEG"), UPRIGHT),
    "LOUD.PNG": (lambda: encoded(COLOURS, "PNG"), UPRIGHT),
    " spaces  at ends .png": (lambda: encoded(COLOURS, "PNG"), UPRIGHT),
    "고양이 кот 猫 🐈.png": (lambda: encoded(COLOURS, "PNG"), UPRIGHT),
    "re\u0301sume\u0301.png": (lambda: encoded(COLOURS, "PNG"), UPRIGHT),
    "-dash #1 'quoted' 100%25 [x]{y}$z.png": (lambda: encoded(COLOURS, "PNG"), UPRIGHT),
    os.fsdecode(b"no utf-8 \xff.png"): (lambda: encoded(COLOURS, "PNG"), UPRIGHT),
    "n" * 240 + ".png": (lambda: encoded(COLOURS, "PNG"), UPRIGHT),
    "deep/er/and deeper/below.png": (lambda: encoded(COLOURS, "PNG"), UPRIGHT),
    "folder.png/inside.png": (lambda: encoded(COLOURS, "PNG"), UPRIGHT),
}  # fmt: skip

BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.png": (lambda: b"", "the file is empty"),
    "letter.png": (lambda: b"not a picture", "not a picture that Pillow knows"),
    "page.jpg": (lambda: b"<html><body>404 not found</body></html>", "not a picture"),
    "drawing.png": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a picture"),
    "program.png": (lambda: encoded(COLOURS, "EPS"), "not a picture"),  # Pillow would start Ghostscript on it
    "zeros.jpg": (lambda: bytes(1000), "not a picture"),
    "bomb.png": (lambda: png(struct.pack(">IIBBBBB", 10**5, 10**5, 8, 2, 0, 0, 0), b""), "exceeds limit"),
    "large.png": (lambda: encoded(Image.new("1", (1500, 1400)), "PNG"), "1500 x 1400 pixels are more than max_pixels"),
    "bright.tif": (lambda: encoded(Image.new("F", (8, 8), 7.0), "TIFF"), "outside 0..1"),
    **{
        f"cut.{kind.lower()}": (lambda kind=kind: cut(kind), "")
        for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF", "TIFF")
    },
    "cut.jp2": (lambda: encoded(noise(), "JPEG2000")[:60], ""),
}  # fmt: skip


def number(name: str) -> int:
    return [*GOOD, "link.png", "linked/far.png"].index(name)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImageFolder, str, dict[int, torch.Tensor]]:
    """The folder, what was logged while it was read, and its readable pictures by the number in their caption."""
    root, outside = tmp_path_factory.mktemp("odd"), tmp_path_factory.mktemp("outside")
    for name, (content, _) in {**GOOD, **BAD}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content())
    (root / "link.png").symlink_to(root / "format.png")
    (outside / "far.png").write_bytes(encoded(COLOURS, "PNG"))
    (root / "linked").symlink_to(outside, target_is_directory=True)
    (outside / "back").symlink_to(root, target_is_directory=True)  # a circle
    (root / "gone.png").symlink_to(root / "nowhere.png")
    (root / "itself.png").symlink_to(root / "itself.png")
    os.mkfifo(root / "pipe.png")  # no file: opening it would wait for ever
    names = [*GOOD, "link.png", "linked/far.png"]
    rows = [json.dumps({"file_name": name, "text": f"number {number(name)}"}) for name in names]
    (root / "metadata.jsonl").write_text("\n".join(rows))
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger("darkroom").addHandler(handler)
    try:
        read = ImageFolder(root, SIDE, background=CYAN, max_unreadable=len(BAD) + 2, max_pixels=2_000_000)
    finally:
        logging.getLogger("darkroom").removeHandler(handler)
    return read, log.getvalue(), pictures(read)


def pictures(source: ImageFolder) -> dict[int, torch.Tensor]:
    found = {}
    for split in (source.split("train"), source.split("validation")):
        batch = split.__getitems__([Visit(index, 0, 0, index) for index in range(len(split))])
        found |= {int(text.split()[1]): image for text, image in zip(batch.prompts.caption, batch.image, strict=True)}
    return found


def corners(image: torch.Tensor) -> list:
    """Rounded to what JPEG leaves of full colours."""
    rounded = torch.where(image.int() > 127, 255, 0)
    return [tuple(rounded[:, y, x].tolist()) for y, x in ((1, 1), (1, -2), (-2, -2), (-2, 1))]


@pytest.mark.parametrize("name", GOOD)
def test_an_odd_file_comes_out_with_the_pixels_that_went_in(source, name):
    assert corners(source[2][number(name)]) == GOOD[name][1]


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_named_with_its_reason(source, name):
    [line] = [line for line in source[1].splitlines() if f"/{name}: " in line]
    assert line.startswith("skipped an unreadable picture: ")
    assert BAD[name][1] in line
    assert line.partition(f"/{name}: ")[2]


def test_links_are_followed_and_those_to_nowhere_are_named(source):
    for name in ("link.png", "linked/far.png"):
        assert corners(source[2][number(name)]) == UPRIGHT
    assert "gone.png: No such file" in source[1]
    assert "itself.png: " in source[1]
    assert "pipe.png" not in source[1]


def test_nothing_else_is_read_and_nothing_is_missing(source):
    assert len(source[2]) == len(GOOD) + 2
    assert source[1].count("skipped an unreadable picture") == len(BAD) + 2
    assert len(GOOD) + len(BAD) >= 40


def test_every_format_that_pillow_decodes_by_itself_is_looked_for():
    Image.init()
    foreign = {"BUFR", "GRIB", "HDF5", "MPEG", "WMF", "EPS"}  # wants another program, or Windows
    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN.keys() - foreign}
    assert set(EXTENSIONS) >= known
