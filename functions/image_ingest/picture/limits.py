"""Refuses, from headers alone, what would take too many pixels, scans, metadata or too much memory to decode."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from image_ingest.errors import Rejected
from image_ingest.picture.formats import Source

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SCANS = 100  # encoders write about 10, 20 for four colours; each costs a pass over all pixels
MAX_SCANNED_PIXELS = 1_500_000_000  # pixels times scans
MAX_SEGMENTS = 2000
MAX_METADATA_BYTES = 32 * 2**20
MAX_TIFF_ENTRIES = 4096

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # neither stuffing nor a restart marker

_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}  # bytes a pixel in Pillow's memory; else 4
_DECODING = {"WEBP": 13, "AVIF": 6, "HEIF": 6, "GIF": 1, "BMP": 1}  # what the decoder holds beside it, measured
_WEBP_CANVAS_BYTES = 8  # a pixel, before anything is decoded
_COPIED = ("WEBP", "AVIF", "HEIF")  # their decoders keep the file beside the source
_WORKING_BYTES = 24 * 2**20  # strips, decoder tables, colour transforms


@dataclass(frozen=True)
class JpegStructure:
    """What a JPEG's markers tell; `scans` is an upper bound, 1 for a picture that is decoded in one pass."""

    width: int
    height: int
    samples_per_pixel: float
    scans: int


def check_pixels(size: tuple[int, int], most: int) -> None:
    """Raises Rejected `image.too-many-pixels`, or `image.unreadable` for a picture without any."""
    width, height = size
    if width < 1 or height < 1:
        raise Rejected("image.unreadable", "The picture has no width or no height.")
    if width * height > most:
        raise Rejected(
            "image.too-many-pixels", f"The picture has {width} x {height} pixels; IMAGE_MAX_SOURCE_PIXELS is {most}."
        )


def check_structure(source: Source, source_format: str, most_pixels: int, most_memory: int) -> None:
    """Bounds what a decoder would walk through or hold before it tells a size: scans, segments, directories, canvas.

    Raises Rejected `image.too-many-pixels`, `image.unreadable`.
    """
    if source_format == "JPEG":
        _check_jpeg(jpeg_structure(source), most_pixels)
    elif source_format == "TIFF":
        _check_tiff_directory(source)
    elif source_format == "WEBP":
        _check_webp_canvas(source, most_pixels, most_memory)


def check_memory(image: Image, source: Source, result: tuple[int, int], most: int) -> None:
    """Raises Rejected `image.too-many-pixels` when decoding `image`, not loaded yet, would take over `most` bytes."""
    _refuse_over(most, estimate(image, source, result), image.format or "", image.size)


def _refuse_over(most: int, needed: int, source_format: str, size: tuple[int, int]) -> None:
    if needed > most:
        raise Rejected(
            "image.too-many-pixels",
            f"Decoding this {source_format} of {size[0]} x {size[1]} pixels would take about {needed >> 20} MiB; "
            f"the function's memory leaves {most >> 20} MiB.",
        )


def estimate(image: Image, source: Source, result: tuple[int, int]) -> int:
    """Bytes that decoding and resizing will take at their peak (docs/pictures.md, "Memory")."""
    pixels = image.width * image.height
    stored = _STORED.get(image.mode, 4)
    if _is_turned_tiff(image):
        stored *= 2
    copied = len(source) if image.format in _COPIED else 0
    per_pixel = stored + _DECODING.get(image.format or "", 0)
    return copied + pixels * per_pixel + _coefficients(image, source) + 16 * result[0] * result[1] + _WORKING_BYTES


def _is_turned_tiff(image: Image) -> bool:
    """Pillow turns a TIFF upright by a whole copy."""
    return image.format == "TIFF" and getattr(image, "tag_v2", {}).get(0x0112, 1) != 1


def _coefficients(image: Image, source: Source) -> int:
    """A JPEG of several scans is held whole as 16-bit coefficients, whatever the draft."""
    if image.format != "JPEG":
        return 0
    structure = jpeg_structure(source)
    return int(2 * structure.samples_per_pixel * structure.width * structure.height) if structure.scans > 1 else 0


def jpeg_structure(source: Source) -> JpegStructure:
    """Reads the markers up to the first scan, and counts the scans of a picture that has several.

    Raises Rejected `image.unreadable` (no frame or scan), `image.too-many-pixels` (too much metadata).
    """
    position, frame, progressive = 2, None, False
    for _ in range(MAX_SEGMENTS):
        match = _MARKER.search(source, position)
        if match is None or match.end() + 3 > len(source):
            break
        marker, body = match[1][0], match.end()
        if body > MAX_METADATA_BYTES or len(match[0]) > 4096:
            raise Rejected("image.too-many-pixels", "The JPEG has more metadata than this function reads.")
        if marker in _FRAME_MARKERS:
            frame, progressive = source[body : body + 20], marker in _PROGRESSIVE
        elif marker == _START_OF_SCAN:
            return _structure(source, frame, body, progressive=progressive)
        position = body if marker in (0x01, 0xD8) else body + int.from_bytes(source[body : body + 2], "big")
    else:
        raise Rejected("image.too-many-pixels", f"The JPEG has more than {MAX_SEGMENTS} segments before its picture.")
    raise Rejected("image.unreadable", "The JPEG has no picture in it: it breaks off, or is not whole.")


def _structure(source: Source, frame: bytes | None, scan: int, *, progressive: bool) -> JpegStructure:
    if frame is None or len(frame) < 8 + 3 * frame[7]:
        raise Rejected("image.unreadable", "The JPEG has no readable frame header before its picture.")
    height, width, components = struct.unpack_from(">HHB", frame, 3)
    sampling = [(b >> 4, b & 15) for b in frame[9 : 8 + 3 * components : 3]]
    if not sampling or not all(1 <= factor <= 4 for pair in sampling for factor in pair):
        raise Rejected("image.unreadable", "The JPEG's frame header is damaged.")
    whole = max(h for h, _ in sampling) * max(v for _, v in sampling)
    several = progressive or source[scan + 2] < components
    return JpegStructure(
        width, height, sum(h * v for h, v in sampling) / whole, _count_scans(source, scan) if several else 1
    )


def _count_scans(source: Source, first: int) -> int:
    """Scans from `first` on; quick and possibly too high where that is within the bound, else exact."""
    guess, position = 1, first
    while guess <= MAX_SCANS and (position := source.find(b"\xff\xda", position) + 1):
        guess += 1
    if guess <= MAX_SCANS:
        return max(guess, 2)
    scans, position = 1, first
    while (match := _MARKER.search(source, position)) and match[1][0] != _END_OF_IMAGE and scans <= MAX_SCANS:
        scans += match[1][0] == _START_OF_SCAN
        position = match.end() + int.from_bytes(source[match.end() : match.end() + 2], "big")
    return max(scans, 2)


def _check_jpeg(structure: JpegStructure, most_pixels: int) -> None:
    pixels = structure.width * structure.height
    check_pixels((structure.width, structure.height), most_pixels)
    if structure.scans > MAX_SCANS or structure.scans * pixels > max(MAX_SCANNED_PIXELS, 2 * pixels):
        raise Rejected("image.too-many-pixels", f"The JPEG has {structure.scans} or more scans, too many for its size.")


def _check_webp_canvas(source: Source, most_pixels: int, most_memory: int) -> None:
    """The decoder holds the whole canvas from the moment it is made (WebP container specification)."""
    size = _webp_canvas(source[12:30])
    check_pixels(size, most_pixels)
    _refuse_over(most_memory, size[0] * size[1] * _WEBP_CANVAS_BYTES, "WEBP", size)


def _webp_canvas(head: bytes) -> tuple[int, int]:
    if len(head) < 18:
        raise Rejected("image.unreadable", "The WebP breaks off before it tells its size.")
    if head[:4] == b"VP8X":
        return int.from_bytes(head[12:15], "little") + 1, int.from_bytes(head[15:18], "little") + 1
    if head[:4] == b"VP8L":
        bits = int.from_bytes(head[9:13], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", head, 14)
    return width & 0x3FFF, height & 0x3FFF


def _check_tiff_directory(source: Source) -> None:
    order = "<" if source[:2] == b"II" else ">"
    big = source[2:4] in (b"+\0", b"\0+")
    offset, count, entry, size = ("Q", "Q", "HHQ", 20) if big else ("I", "H", "HHI", 12)
    try:
        (first,) = struct.unpack_from(order + offset, source, 8 if big else 4)
        (entries,) = struct.unpack_from(order + count, source, first)
        start = first + struct.calcsize(order + count)
        if entries > MAX_TIFF_ENTRIES:
            raise Rejected("image.too-many-pixels", f"The TIFF's directory has more than {MAX_TIFF_ENTRIES} entries.")
        fields = [struct.unpack_from(order + entry, source, start + i * size) for i in range(entries)]
    except struct.error:
        raise Rejected("image.unreadable", "The TIFF breaks off before its directory ends.") from None
    if sum(number * _TIFF_TYPE_BYTES.get(kind, 0) for _, kind, number in fields) > MAX_METADATA_BYTES:
        raise Rejected(
            "image.too-many-pixels", "The TIFF's directory points to more metadata than this function reads."
        )


_TIFF_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
