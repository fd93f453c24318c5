"""A small sRGB picture → the bytes that are sent, checked by reading them again."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from PIL import Image

from image_ingest.picture.formats import open_image
from image_ingest.picture.picture import Picture

_HARMLESS = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "progressive", "progression", "transparency"}


def encode_jpeg(image: Image.Image, quality: int, source_format: str) -> Picture:
    """`image` is L or RGB."""
    return Picture(_encode(image, "JPEG", quality=quality), "image/jpeg", *image.size, source_format)


def encode_png(image: Image.Image, source_format: str, transparency: int | bytes | None = None) -> Picture:
    """`image` is L, LA, RGB, RGBA or P, the latter with `transparency` as Pillow keeps it."""
    options = {} if transparency is None else {"transparency": transparency}
    return Picture(_encode(image, "PNG", **options), "image/png", *image.size, source_format)


def reduce_to_palette(image: Image.Image) -> Image.Image:
    """At most 256 colours, for a picture whose source had no more."""
    if image.mode == "LA":
        image = image.convert("RGBA")
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
    again = open_image(encoder, data)
    size = again.size
    again.draft(None, (1, 1))  # reads every byte of a JPEG, but computes no pixels that nobody uses
    again.load()
    if size != image.size or not again.info.keys() <= _HARMLESS:
        raise ValueError(f"the {encoder} encoder did not write the picture")
    if not data.endswith(b"\xff\xd9" if encoder == "JPEG" else b"IEND\xaeB`\x82"):
        raise ValueError(f"the {encoder} encoder wrote something after the picture")
