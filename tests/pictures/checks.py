"""What every stored picture must be, whatever it was made from (contract of the upload)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from image_ingest.deadline import Deadline
from image_ingest.picture import Picture, prepare
from image_ingest.settings import PictureSettings

_PNG_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_JPEG_METADATA = {*range(0xE1, 0xF0), 0xFE}


def prepared(source: bytes, settings: PictureSettings | None = None) -> Picture:
    """prepare() with time enough, its result checked for soundness."""
    settings = settings or PictureSettings()
    picture = prepare(source, settings, Deadline(60))
    check_sound(picture, settings)
    return picture


def check_sound(picture: Picture, settings: PictureSettings) -> None:
    """Asserts what holds for every result."""
    assert 1 <= picture.width <= settings.max_width
    assert 1 <= picture.height <= settings.max_height
    image = opened(picture)
    assert image.size == (picture.width, picture.height)
    assert image.mode in (
        ("L", "RGB") if picture.content_type == "image/jpeg" else ("1", "L", "LA", "P", "RGB", "RGBA")
    )
    check_bare(picture)


def check_bare(picture: Picture) -> None:
    """Asserts that the file holds the picture, and nothing besides or behind it."""
    if picture.content_type == "image/png":
        assert set(png_chunks(picture.data)) <= _PNG_CHUNKS
        assert picture.data.endswith(b"IEND\xaeB`\x82")
    else:
        assert not _JPEG_METADATA & set(jpeg_markers(picture.data))
        assert picture.data.endswith(b"\xff\xd9")


def opened(picture: Picture) -> Image.Image:
    """The result, decoded."""
    image = Image.open(BytesIO(picture.data), formats=("JPEG", "PNG"))
    assert image.get_format_mimetype() == picture.content_type
    image.load()
    return image


def png_chunks(data: bytes) -> list[bytes]:
    """The kinds of a PNG's chunks, in order."""
    kinds, at = [], 8
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kinds.append(data[at + 4 : at + 8])
        at += 12 + size
    assert at == len(data)
    return kinds


def jpeg_markers(data: bytes) -> list[int]:
    """The markers of a JPEG up to its picture data."""
    markers: list[int] = []
    at = 2
    while not markers or markers[-1] != 0xDA:
        assert data[at] == 0xFF
        markers.append(data[at + 1])
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return markers


def fields_of(image: Image.Image) -> list[tuple[int, ...]]:
    """The middles of the four quarters, in RGBA."""
    whole = image.convert("RGBA")
    places = [(whole.width * x // 4, whole.height * y // 4) for y in (1, 3) for x in (1, 3)]
    return [pixel for place in places if isinstance(pixel := whole.getpixel(place), tuple)]


def check_fields(image: Image.Image, expected: Sequence[tuple[int, ...]], tolerance: int) -> None:
    """Asserts that the four quarters look as they should; the colour of what is fully transparent does not matter."""
    for seen, wanted in zip(fields_of(image), expected, strict=True):
        opacity = wanted[3] if len(wanted) == 4 else 255
        assert abs(seen[3] - opacity) <= tolerance
        if opacity:
            assert max(abs(a - b) for a, b in zip(seen[:3], wanted[:3], strict=True)) <= tolerance, (seen, wanted)
