"""The scene that pictures show, and what a sample of the corpus is.

Four fields: red and green above, blue and white below.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

import pillow_heif
from PIL import Image

JPEG, PNG = "image/jpeg", "image/png"
UNSUPPORTED, UNREADABLE, TOO_MANY = "image.unsupported-format", "image.unreadable", "image.too-many-pixels"
FIELDS = ((230, 30, 30), (30, 200, 30), (30, 30, 230), (255, 255, 255))
GREYS = tuple(round(0.299 * r + 0.587 * g + 0.114 * b) for r, g, b in FIELDS)
WIDTH, HEIGHT = 120, 80


@dataclass(frozen=True)
class Sample:
    """A file; `outcome` is the content type it is stored as, or the code it is rejected with.

    Several where that depends on the speed of the machine.
    """

    name: str
    make: Callable[[], bytes]
    outcome: tuple[str, ...]
    fields: tuple[tuple[int, ...], ...] | None = None  # what the four fields must look like
    tolerance: int = 12


@lru_cache(maxsize=4)
def scene(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """The four fields in RGB."""
    picture = Image.new("RGB", (2, 2))
    for i, colour in enumerate(FIELDS):
        picture.putpixel((i % 2, i // 2), colour)
    return picture.resize((width, height), Image.Resampling.NEAREST)


def grey_scene() -> Image.Image:
    """The four fields in L."""
    return scene().convert("L")


def see_through() -> Image.Image:
    """The scene, whose green field is transparent and whose blue field is half so."""
    alpha = Image.new("L", (2, 2), 255)
    alpha.putpixel((1, 0), 0)
    alpha.putpixel((0, 1), 128)
    picture = scene().copy()
    picture.putalpha(alpha.resize(picture.size, Image.Resampling.NEAREST))
    return picture


def noise(width: int, height: int, seed: int = 5) -> Image.Image:
    """Detail in every pixel, the same each time."""
    return Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(3 * width * height))


def heic(image: Image.Image, **options: object) -> bytes:
    """What libheif writes for it, without registering anything with Pillow."""
    buffer = BytesIO()
    pillow_heif.from_pillow(image).save(buffer, **options)
    return buffer.getvalue()


SEE_THROUGH = ((230, 30, 30, 255), (0, 0, 0, 0), (30, 30, 230, 128), (255, 255, 255, 255))
GREY_FIELDS = tuple((value, value, value) for value in GREYS)


def stored(name: str, make: Callable[[], bytes], as_type: str = JPEG, tolerance: int = 12) -> Sample:
    """Stored, and looks like the scene."""
    return Sample(name, make, (as_type,), FIELDS, tolerance)


def grey(name: str, make: Callable[[], bytes], as_type: str = JPEG, tolerance: int = 6) -> Sample:
    """Stored, and looks like the scene in grey."""
    return Sample(name, make, (as_type,), GREY_FIELDS, tolerance)


def clear(name: str, make: Callable[[], bytes], tolerance: int = 12) -> Sample:
    """Stored, and looks like the scene that is partly transparent."""
    return Sample(name, make, (PNG,), SEE_THROUGH, tolerance)


def odd(name: str, make: Callable[[], bytes], *outcome: str) -> Sample:
    """Ends in one of these ways, whatever it looks like."""
    return Sample(name, make, outcome)
