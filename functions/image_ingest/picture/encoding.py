"""A small sRGB picture → the bytes that are sent, checked by reading them again."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

from PIL import Image

from image_ingest.picture.formats import open_as

_HARMLESS = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "progressive", "progression", "transparency"}


@dataclass(frozen=True)
class Encoded:
    """A picture as it goes to SuperOffice."""

    data: bytes
    content_type: Literal["image/jpeg", "image/png"]
    width: int
    height: int


def encode_jpeg(image: Image.Image, quality: int) -> Encoded:
    """`image` is L or RGB."""
    return _encoded(image, "JPEG", quality=quality)


def encode_png(image: Image.Image, transparency: int | bytes | None = None) -> Encoded:
    """`image` is L, LA, RGB, RGBA or P, the latter with `transparency` as Pillow keeps it."""
    options = {} if transparency is None else {"transparency": transparency}
    return _encoded(image, "PNG", **options)


def to_palette(image: Image.Image) -> Image.Image:
    """At most 256 colours, for a picture whose source had no more."""
    if image.mode == "LA":
        image = image.convert("RGBA")
    return image if image.mode == "L" else image.quantize(256, dither=Image.Dither.NONE)


def _encoded(image: Image.Image, encoder: str, **options: Any) -> Encoded:
    image.info = {}  # encoders write what they find there
    buffer = BytesIO()
    image.save(buffer, encoder, **options)
    data = buffer.getvalue()
    _check(data, encoder, image)
    return Encoded(data, "image/jpeg" if encoder == "JPEG" else "image/png", image.width, image.height)


def _check(data: bytes, encoder: str, image: Image.Image) -> None:
    """Raises ValueError when the bytes are not the picture, or say more than it."""
    again = open_as(encoder, data)
    size = again.size
    again.draft(None, (1, 1))  # reads a JPEG's every byte, but computes no pixels that nobody looks at
    again.load()
    if size != image.size or not again.info.keys() <= _HARMLESS:
        raise ValueError(f"the {encoder} encoder did not write what it was given")
    if not data.endswith(b"\xff\xd9" if encoder == "JPEG" else b"IEND\xaeB\x60\x82"):
        raise ValueError(f"the {encoder} encoder wrote something after the picture")
