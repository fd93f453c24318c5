"""Open, bound, decode as little as needed, shrink, convert colours, turn, encode, check: one picture, in the child."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageCms

from image_ingest.errors import Rejected
from image_ingest.picture.attention import move_crop
from image_ingest.picture.colour import convert_to_srgb, find_colours
from image_ingest.picture.colour.cicp import DISPLAY_P3, build_cicp_profile
from image_ingest.picture.encoding import encode_jpeg, encode_png, reduce_to_palette
from image_ingest.picture.formats import Source, open_image
from image_ingest.picture.geometry import (
    BICUBIC_MARGIN,
    LINE_ART_MARGIN,
    PHOTO_MARGIN,
    Plan,
    plan_resize,
    reduce_decoding,
)
from image_ingest.picture.limits import check_memory, check_pixels, check_structure
from image_ingest.picture.orientation import is_sideways, read_orientation, turn_upright
from image_ingest.picture.picture import Picture
from image_ingest.picture.shrinking import has_flat_areas, shrink
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


_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6
_PALETTE_ALWAYS = ("GIF",)  # its grey pictures have a palette too, which Pillow has already applied


@dataclass(frozen=True)
class _Decoded:
    """A loaded picture at 1/`factor` of its size, and what part of it becomes how large."""

    image: Image.Image
    goal: Plan
    factor: float

    @property
    def detail(self) -> float:
        """How many of its pixels, side by side, become one of the result."""
        left, _, right, _ = self.goal.box
        return (right - left) / self.goal.size[0]


def warm_up() -> None:
    """Converts a picture of its own, so that children find loaded what every conversion loads once."""
    buffer = BytesIO()
    profile = build_cicp_profile(DISPLAY_P3)
    Image.new("RGB", (16, 16)).save(buffer, "JPEG", icc_profile=profile, exif=_EXIF)
    settings = PictureSettings()
    _encode(*shrink_source(buffer.getvalue(), "JPEG", settings, 2**30), settings.jpeg_quality, "JPEG")


def make_picture(source: Source, source_format: str, settings: PictureSettings, memory: int) -> Picture:
    """Takes at most `memory` bytes beside the source. Raises Rejected `image.unreadable`, `image.too-many-pixels`."""
    image, small = shrink_source(source, source_format, settings, memory)
    return _encode(image, small, settings.jpeg_quality, "MPO" if "mp" in image.info else source_format)


def shrink_source(
    source: Source, source_format: str, settings: PictureSettings, memory: int
) -> tuple[Image.Image, Image.Image]:
    """The decoded picture, and the result before it is encoded."""
    decoded = _decode(source, source_format, settings, memory, PHOTO_MARGIN)
    if decoded.image.format != "JPEG" or decoded.detail == 1:
        return decoded.image, _shrink(decoded)
    if has_flat_areas(decoded.image):
        if decoded.factor > 1 and decoded.detail < LINE_ART_MARGIN:
            decoded = _decode_more(source, source_format, settings, memory) or decoded
        return decoded.image, _shrink(decoded)
    is_close = decoded.factor == 1 or decoded.detail >= BICUBIC_MARGIN
    return decoded.image, _shrink(decoded, Image.Resampling.BICUBIC if is_close else Image.Resampling.LANCZOS)


def _decode_more(source: Source, source_format: str, settings: PictureSettings, memory: int) -> _Decoded | None:
    """The picture in more detail, as lines and type need it, or None if memory does not allow it."""
    try:
        return _decode(source, source_format, settings, memory, LINE_ART_MARGIN)
    except Rejected:
        return None


def _decode(source: Source, source_format: str, settings: PictureSettings, memory: int, margin: float) -> _Decoded:
    try:
        check_structure(source, source_format, settings.max_source_pixels, memory)
        return _load(source, source_format, settings, memory, margin)
    except _BOMBS as bomb:
        raise Rejected("image.too-many-pixels", "Decoding the picture takes more memory than there is.") from bomb
    except _DECODER_ERRORS as error:
        raise Rejected("image.unreadable", _describe_damage(source_format, error)) from error


def _describe_damage(source_format: str, error: Exception) -> str:
    text = "".join(c for c in str(error)[:160] if c.isprintable())
    return f"The {source_format} is damaged: {text or type(error).__name__}."


def _load(source: Source, source_format: str, settings: PictureSettings, memory: int, margin: float) -> _Decoded:
    image = open_image(source_format, source)
    size = image.size
    check_pixels(size, settings.max_source_pixels)
    goal = _plan(image, size, settings)
    factor = reduce_decoding(image, goal, margin)
    check_memory(image, source, size, goal.size, memory)
    image.load()
    if factor == 1:
        size = image.size  # a decoder may learn it, and the orientation, only now
        check_pixels(size, settings.max_source_pixels)
    goal = _plan(image, size, settings).shrink(factor)
    if settings.fit == "cover" and settings.crop == "attention":
        goal = move_crop(goal, image, read_orientation(image))
    return _Decoded(image, goal, factor)


def _plan(image: Image.Image, size: tuple[int, int], settings: PictureSettings) -> Plan:
    return plan_resize(size, settings, sideways=is_sideways(read_orientation(image)))


def _shrink(decoded: _Decoded, resampling: Image.Resampling = Image.Resampling.LANCZOS) -> Image.Image:
    """The result as people see it: L, LA, RGB, RGBA, or an unchanged P."""
    image, goal, colours = decoded.image, decoded.goal, find_colours(decoded.image.info)
    if image.mode == "P" and colours is None and goal.box == (0, 0, *goal.size) == (0, 0, *image.size):
        return turn_upright(image, read_orientation(image))
    small = convert_to_srgb(_divide_alpha_out(shrink(image, goal, resampling)), colours)
    return turn_upright(small, read_orientation(image))


def _encode(image: Image.Image, small: Image.Image, quality: int, source_format: str) -> Picture:
    if small.mode == "P":
        return encode_png(small, source_format, small.info.get("transparency"))
    if small.mode in ("LA", "RGBA"):
        return encode_png(small, source_format)
    if image.mode in ("P", "PA") or (image.format in _PALETTE_ALWAYS and image.mode == "L"):
        return encode_png(reduce_to_palette(small), source_format)
    return encode_jpeg(small, quality, source_format)


def _divide_alpha_out(image: Image.Image) -> Image.Image:
    """Alpha as PNG has it: not multiplied into the colours."""
    return image.convert(image.mode.upper()) if image.mode in ("La", "RGBa") else image
