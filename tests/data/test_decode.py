"""Every kind of file that Pillow reads, against the pixels that were put in."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from darkroom.data.decode import UnreadablePicture, decode, probe

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
ORIENTATION = 274  # EXIF tag


def corners(image):
    """The colours of the four corners, clockwise from the upper left, rounded to what JPEG leaves of them."""
    pixels = np.asarray(image).astype(int)
    rounded = np.where(pixels > 127, 255, 0)
    return [tuple(rounded[y, x].tolist()) for y, x in ((0, 0), (0, -1), (-1, -1), (-1, 0))]


@pytest.fixture
def quarters():
    """64 x 32: red, green, blue and yellow, clockwise from the upper left."""
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:16, :32], pixels[:16, 32:], pixels[16:, 32:], pixels[16:, :32] = RED, GREEN, BLUE, YELLOW
    return Image.fromarray(pixels)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, [RED, GREEN, BLUE, YELLOW]),
        (2, [GREEN, RED, YELLOW, BLUE]),  # mirrored
        (3, [BLUE, YELLOW, RED, GREEN]),  # half a turn
        (4, [YELLOW, BLUE, GREEN, RED]),  # upside down
        (5, [RED, YELLOW, BLUE, GREEN]),  # transposed
        (6, [YELLOW, RED, GREEN, BLUE]),  # to be turned clockwise
        (7, [BLUE, GREEN, RED, YELLOW]),  # transverse
        (8, [GREEN, BLUE, YELLOW, RED]),  # to be turned anticlockwise
    ],
)
def test_a_picture_comes_out_upright(tmp_path, quarters, suffix, orientation, upright):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    quarters.save(tmp_path / f"a.{suffix}", exif=exif)
    image = decode(tmp_path / f"a.{suffix}")
    assert image.size == ((64, 32) if orientation < 5 else (32, 64))
    assert corners(image) == upright


@pytest.mark.parametrize("exif", [b"Exif\0\0no header of a tiff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_cost_the_picture(tmp_path, quarters, exif):
    quarters.save(tmp_path / "a.jpg", exif=exif)
    assert corners(decode(tmp_path / "a.jpg")) == [RED, GREEN, BLUE, YELLOW]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr"])
def test_every_mode_comes_out_as_the_grey_that_went_in(tmp_path, mode):
    grey = Image.new("RGB", (8, 8), (255, 255, 255))
    grey.paste((0, 0, 0), (0, 0, 4, 8))
    suffix = {"CMYK": "tif", "YCbCr": "tif"}.get(mode, "png")
    grey.convert(mode).save(tmp_path / f"a.{suffix}")
    image = decode(tmp_path / f"a.{suffix}")
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), np.asarray(grey))


def test_a_cmyk_jpeg_is_not_inverted(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)  # no cyan: red
    assert np.abs(np.asarray(decode(tmp_path / "a.jpg")).astype(int) - RED).max() <= 8


@pytest.mark.parametrize("background", [(255, 255, 255), (10, 20, 30)])
def test_alpha_mixes_the_colour_with_the_ground(tmp_path, background):
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = [0, 128, 255]
    rgba[0, 1:, 0] = 200  # under full transparency black, as PNG optimisers leave it
    Image.fromarray(rgba).save(tmp_path / "a.png")
    alpha = rgba[..., 3:] / 255
    expected = rgba[..., :3] * alpha + np.array(background) * (1 - alpha)
    assert np.abs(np.asarray(decode(tmp_path / "a.png", background=background)) - expected).max() <= 1


def test_grey_with_alpha_shows_the_ground(tmp_path):
    Image.fromarray(np.array([[[90, 0], [90, 255]]], np.uint8), "LA").save(tmp_path / "a.png")
    assert np.asarray(decode(tmp_path / "a.png", background=GREEN)).tolist() == [[list(GREEN), [90, 90, 90]]]


def test_a_transparent_palette_entry_shows_the_ground(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putdata([0, 1])
    image.save(tmp_path / "one.png", transparency=1)
    image.save(tmp_path / "soft.png", transparency=bytes([255, 0]))
    image.save(tmp_path / "a.gif", transparency=1)
    for name in ("one.png", "soft.png", "a.gif"):
        assert np.asarray(decode(tmp_path / name, background=GREEN)).tolist() == [[list(RED), list(GREEN)]], name


def test_a_colour_that_png_calls_transparent_shows_the_ground(tmp_path):
    pixels = np.array([[RED, BLUE]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "rgb.png", transparency=BLUE)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png", transparency=0)
    Image.fromarray(np.array([[65535, 300]], np.uint16)).save(tmp_path / "deep.png", transparency=300)
    white = [255, 255, 255]
    assert np.asarray(decode(tmp_path / "rgb.png", background=GREEN)).tolist() == [[list(RED), list(GREEN)]]
    assert np.asarray(decode(tmp_path / "grey.png", background=GREEN)).tolist() == [[white, list(GREEN)]]
    assert np.asarray(decode(tmp_path / "deep.png", background=GREEN)).tolist() == [[white, list(GREEN)]]


def test_deep_and_float_grey_are_scaled_and_rounded(tmp_path):
    values = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(values).save(tmp_path / "a.png")
    Image.fromarray(values).save(tmp_path / "a.tif")
    (tmp_path / "a.pgm").write_bytes(b"P5 64 64 65535\n" + values.astype(">u2").tobytes())
    Image.fromarray((values / 65535).astype(np.float32)).save(tmp_path / "float.tif")
    expected = np.floor(values / 257 + 0.5)  # 65535 = 255 * 257
    for name in ("a.png", "a.tif", "a.pgm", "float.tif"):
        image = np.asarray(decode(tmp_path / name))
        assert np.array_equal(image, np.repeat(expected[..., None], 3, axis=2)), name


def twelve_bit(values):
    """A TIFF of one row of grey, two values in three bytes, which Pillow reads and cannot write."""
    row = "".join(f"{value:012b}" for value in values)
    pixels = int(row, 2).to_bytes(len(row) // 8)
    tags = {256: len(values), 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(pixels)}
    pixels += b"\0" * (len(pixels) % 2)  # what follows begins at an even place
    entries = b"".join(struct.pack("<HHIHxx", tag, 3, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHI", b"II", 42, 8 + len(pixels)) + pixels + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_white_of_twelve_bits_is_white(tmp_path):
    (tmp_path / "a.tif").write_bytes(twelve_bit([0, 2048, 4095, 16]))
    assert np.asarray(decode(tmp_path / "a.tif"))[0, :, 0].tolist() == [0, 128, 255, 1]


@pytest.mark.parametrize("values", [[0.0, 200.0], [-0.5, 0.5], [0.0, np.nan]])
def test_float_grey_outside_0_to_1_is_refused(tmp_path, values):
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UnreadablePicture, match=r"a\.tif: grey values .* lie outside 0\.\.1"):
        decode(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_of_an_animation_the_first_frame_counts(tmp_path, suffix):
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    options = {"lossless": True} if suffix == "webp" else {}
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second], **options)
    assert corners(decode(tmp_path / f"a.{suffix}")) == [RED] * 4


def test_the_content_counts_and_not_the_extension(tmp_path, quarters):
    quarters.save(tmp_path / "a.jpg", format="PNG")
    assert np.array_equal(np.asarray(decode(tmp_path / "a.jpg")), np.asarray(quarters))


def encoded(image, kind):
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def bomb():
    """A PNG whose header promises ten thousand million pixels."""
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"")]
    framed = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda _: b"", "the file is empty"),
        (lambda _: b"no picture", "not a picture that Pillow knows"),
        (lambda image: encoded(image, "PNG")[:-60], "truncated"),
        (lambda image: encoded(image, "JPEG")[:-60], "truncated"),
        (lambda _: bomb(), "exceeds limit"),
    ],
    ids=["empty", "text", "cut png", "cut jpeg", "bomb"],
)
def test_an_unreadable_file_is_named_with_its_reason(tmp_path, content, reason):
    noise = np.arange(64 * 64 * 3, dtype=np.uint32) * 2654435761 >> 24  # does not compress
    path = tmp_path / "bad one.png"
    path.write_bytes(content(Image.fromarray(noise.astype(np.uint8).reshape(64, 64, 3))))
    with pytest.raises(UnreadablePicture, match=rf"bad one\.png: .*{reason}"):
        decode(path)


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path):
    for path in (tmp_path / "gone.png", tmp_path):
        with pytest.raises(UnreadablePicture, match=f"^{path}: "):
            decode(path)


def test_a_picture_over_max_pixels_is_refused_by_its_header(tmp_path, quarters):
    quarters.save(tmp_path / "a.png")
    for read in (decode, probe):
        read(tmp_path / "a.png", max_pixels=64 * 32)
        with pytest.raises(UnreadablePicture, match="64 x 32 pixels are more than max_pixels=2047"):
            read(tmp_path / "a.png", max_pixels=64 * 32 - 1)


def test_a_large_jpeg_is_decoded_small_but_never_below_twice_the_side(tmp_path, quarters):
    quarters.resize((1600, 800)).save(tmp_path / "a.jpg")
    quarters.resize((1600, 800)).save(tmp_path / "a.png")
    sizes = {side: decode(tmp_path / "a.jpg", short_side=side).size for side in (50, 51, 100, 200, 201, 1000)}
    assert sizes == {
        50: (200, 100),
        51: (400, 200),
        100: (400, 200),
        200: (800, 400),
        201: (1600, 800),
        1000: (1600, 800),
    }
    assert decode(tmp_path / "a.png", short_side=50).size == (1600, 800)


def test_of_a_jpeg_the_size_that_it_is_decoded_at_counts(tmp_path, quarters):
    quarters.resize((1600, 800)).save(tmp_path / "a.jpg")
    decode(tmp_path / "a.jpg", short_side=50, max_pixels=200 * 100)
    probe(tmp_path / "a.jpg", short_side=50, max_pixels=200 * 100)
    for read in (decode, probe):
        with pytest.raises(UnreadablePicture, match="400 x 200 pixels are more than max_pixels=20000"):
            read(tmp_path / "a.jpg", short_side=51, max_pixels=200 * 100)
        with pytest.raises(UnreadablePicture, match="1600 x 800 pixels"):
            read(tmp_path / "a.jpg", max_pixels=200 * 100)


def test_pillow_refuses_a_jpeg_of_twice_its_limit_and_does_not_warn_below(tmp_path, quarters):
    quarters.save(tmp_path / "a.jpg")
    asked = (
        "from PIL import Image; Image.MAX_IMAGE_PIXELS = {}; from darkroom.data.decode import decode; decode('a.jpg')"
    )
    ends = [
        subprocess.run([sys.executable, "-c", asked.format(limit)], cwd=tmp_path, capture_output=True, text=True)
        for limit in (64 * 32 - 1, 64 * 32 // 2 - 1)
    ]
    assert (ends[0].returncode, ends[0].stderr) == (0, "")
    assert "exceeds limit" in ends[1].stderr
