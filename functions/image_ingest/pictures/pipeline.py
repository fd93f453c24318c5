"""Open, bound, decode as little as needed, shrink, colour, turn, encode, check: one picture, in the child process."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from PIL import Image, ImageCms

from image_ingest.errors import Rejected
from image_ingest.pictures.colour import to_srgb
from image_ingest.pictures.encoding import Encoded, encode_jpeg, encode_png, to_palette
from image_ingest.pictures.formats import open_as
from image_ingest.pictures.geometry import Plan, draft, plan
from image_ingest.pictures.limits import check_memory, check_pixels, check_structure
from image_ingest.pictures.orientation import orientation_of, swaps_sides, turn_upright
from image_ingest.pictures.shrinking import shrink
from image_ingest.settings import PictureSettings

# Whatever decoders are known to raise for damaged files; MemoryError and bombs have a code of their own.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    ImageCms.PyCMSError,
)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError)


_PALETTE_ALWAYS = ("GIF", "BMP")  # their 1-bit and grey pictures have a palette too, which Pillow has already applied


@dataclass(frozen=True)
class Converted:
    """An encoded picture and where it came from."""

    encoded: Encoded
    source_format: str


def convert(source: bytes, source_format: str, settings: PictureSettings, memory: int) -> Converted:
    """Takes at most `memory` bytes beside the source. Raises Rejected `image.unreadable`, `image.too-many-pixels`."""
    check_structure(source, source_format, settings.max_source_pixels)
    image, goal = _decoded(source, source_format, settings, memory)
    return Converted(_encoded(image, goal, settings), "MPO" if "mp" in image.info else source_format)


def _decoded(source: bytes, source_format: str, settings: PictureSettings, memory: int) -> tuple[Image.Image, Plan]:
    try:
        return _load(source, source_format, settings, memory)
    except _BOMBS as bomb:
        raise Rejected("image.too-many-pixels", "Decoding the picture takes more memory than there is.") from bomb
    except _DECODER_ERRORS as error:
        raise Rejected("image.unreadable", _describe(source_format, error)) from error


def _describe(source_format: str, error: Exception) -> str:
    text = "".join(c for c in str(error)[:160] if c.isprintable())
    return f"The {source_format} is damaged: {text or type(error).__name__}."


def _load(source: bytes, source_format: str, settings: PictureSettings, memory: int) -> tuple[Image.Image, Plan]:
    image = open_as(source_format, source)
    size = image.size
    check_pixels(size, settings.max_source_pixels)
    goal = _plan(image, size, settings)
    factor = draft(image, goal)
    check_memory(image, source, goal.size, memory)
    image.load()
    size = size if factor > 1 else image.size
    check_pixels(size, settings.max_source_pixels)
    return image, _plan(image, size, settings).scaled(factor)


def _plan(image: Image.Image, size: tuple[int, int], settings: PictureSettings) -> Plan:
    return plan(size, settings, sideways=swaps_sides(orientation_of(image)))


def _encoded(image: Image.Image, goal: Plan, settings: PictureSettings) -> Encoded:
    orientation, profile = orientation_of(image), image.info.get("icc_profile")
    if image.mode == "P" and not profile and goal.box == (0, 0, *goal.size) == (0, 0, *image.size):
        return encode_png(turn_upright(image, orientation), image.info.get("transparency"))
    _clear_deep_key(image)
    small = turn_upright(to_srgb(_straight(shrink(image, goal)), profile), orientation)
    if image.mode in ("P", "PA") or (image.format in _PALETTE_ALWAYS and image.mode in ("1", "L")):
        return encode_png(to_palette(small))
    return encode_png(small) if small.mode in ("LA", "RGBA") else encode_jpeg(small, settings.jpeg_quality)


def _straight(image: Image.Image) -> Image.Image:
    """Alpha as PNG has it: not multiplied into the colours."""
    return image.convert(image.mode.upper()) if image.mode in ("La", "RGBa") else image


def _clear_deep_key(image: Image.Image) -> None:
    """Pillow reads 16-bit RGB as 8-bit, but leaves the transparent colour (PNG tRNS) in 16 bits."""
    key = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:
        image.info["transparency"] = tuple(value >> 8 for value in key)
