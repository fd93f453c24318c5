"""A small sRGB picture → the bytes that are sent, checked by reading them again."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from image_ingest.picture.picture import Picture

_EDGE, _EDGE_SHARE = 12, 0.0005  # steps of 255; the share of pixels above which colour is stored in full
_BAND_ROWS, _LEAST_BANDS = 16, 8
_HARMLESS = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "progressive", "progression", "transparency"}


def encode_jpeg(image: Image.Image, quality: int, source_format: str) -> Picture:
    """`image` is L or RGB. Colour is stored at full resolution where half of it would blur edges between colours."""
    subsampling = "4:4:4" if has_colour_edges(image) else "4:2:0"
    data = _encode(image, "JPEG", quality=quality, subsampling=subsampling)
    return Picture(data, "image/jpeg", *image.size, source_format)


def encode_png(image: Image.Image, source_format: str, transparency: int | bytes | None = None) -> Picture:
    """`image` is L, LA, RGB, RGBA or P, the latter with `transparency` as Pillow keeps it."""
    options = {} if transparency is None else {"transparency": transparency}
    return Picture(_encode(image, "PNG", **options), "image/png", *image.size, source_format)


def has_colour_edges(image: Image.Image) -> bool:
    """Whether colours differ sharply between neighbours, as in logos and type, and hardly anywhere in photos."""
    if image.mode != "RGB" or min(image.size) < 2:
        return False
    counts = [sum(each) for each in zip(*(_count_edges(image, first) for first in (0, 1)), strict=True)]
    return any(count > _EDGE_SHARE * image.width * image.height for count in counts)


def _count_edges(image: Image.Image, first: int) -> tuple[int, ...]:
    """For both components of colour, the pixels that differ from the mean of their square of four.

    `first` is where the squares begin. Of large pictures a part is looked at, and the number estimated.
    """
    part = _take_bands(image, first)
    size = part.width // 2, part.height // 2
    if not all(size):
        return (0, 0)
    whole = (0, 0, 2 * size[0], 2 * size[1])
    corners = part.resize(size, Image.Resampling.NEAREST, whole).convert("YCbCr")
    differences = ImageChops.difference(corners, part.reduce(2, whole).convert("YCbCr")).histogram()
    share = image.width * image.height / (part.width * part.height)
    return tuple(round(share * sum(differences[256 * band + _EDGE : 256 * (band + 1)])) for band in (1, 2))


def _take_bands(image: Image.Image, first: int) -> Image.Image:
    """Every fourth band of a large picture's rows."""
    rows, step = _BAND_ROWS, 4 * _BAND_ROWS
    tops = range(first, image.height - rows + 1, step)
    if len(tops) < _LEAST_BANDS:
        return image.crop((first, first, *image.size))
    bands = Image.new(image.mode, (image.width - first, rows * len(tops)))
    for number, top in enumerate(tops):
        bands.paste(image.crop((first, top, image.width, top + rows)), (0, rows * number))
    return bands


def reduce_to_palette(image: Image.Image) -> Image.Image:
    """At most 256 colours, for an opaque picture whose source had no more."""
    return image if image.mode == "L" else image.quantize(256, dither=Image.Dither.NONE)


def _encode(image: Image.Image, encoder: str, **options: Any) -> bytes:
    if type(image) is not Image.Image:
        image = image.copy()  # a picture read from a file compares its path, a call that the child may not make
    image.info = {}  # encoders write what they find there
    buffer = BytesIO()
    image.save(buffer, encoder, **options)
    data = buffer.getvalue()
    _check_encoded(data, encoder, image)
    return data


def _check_encoded(data: bytes, encoder: str, image: Image.Image) -> None:
    """Raises ValueError if the bytes are not this picture, or contain more than it."""
    again = JpegImageFile(BytesIO(data)) if encoder == "JPEG" else PngImageFile(BytesIO(data))
    size = again.size
    again.draft(None, (1, 1))  # reads every byte of a JPEG, but computes no pixels that nobody uses
    again.load()
    if size != image.size or not again.info.keys() <= _HARMLESS:
        raise ValueError(f"the {encoder} encoder did not write the picture")
    if not data.endswith(b"\xff\xd9" if encoder == "JPEG" else b"IEND\xaeB`\x82"):
        raise ValueError(f"the {encoder} encoder wrote something after the picture")
