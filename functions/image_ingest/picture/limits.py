"""Refuses, from headers alone, what would take too many pixels, scans, metadata or too much memory to decode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from image_ingest.errors import Rejected
from image_ingest.picture.formats import Source
from image_ingest.picture.formats.jpeg import MAX_SCANS, JpegStructure, read_structure
from image_ingest.picture.geometry import choose_factors
from image_ingest.picture.memory import WORKING_BYTES

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SCANNED_PIXELS = 1_500_000_000  # pixels times scans

_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}  # bytes per pixel in Pillow's memory; else 4
_DECODING = {"WEBP": 13, "AVIF": 6, "HEIF": 6, "GIF": 1, "BMP": 1}  # what the decoder holds in addition, measured
_WEBP_CANVAS_BYTES = 8  # per pixel, before anything is decoded
_COPIED = ("WEBP", "AVIF", "HEIF")  # their decoders keep a copy of the file


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
    """Bounds what a decoder would read or hold before it reports a size: scans, segments, directories, canvas.

    Raises Rejected `image.too-many-pixels`, `image.unreadable`.
    """
    if source_format == "JPEG":
        _check_jpeg(read_structure(source), most_pixels)
    elif source_format == "TIFF":
        from image_ingest.picture.formats.tiff_directory import check_directory

        check_directory(source)
    elif source_format == "WEBP":
        _check_webp_canvas(source, most_pixels, most_memory)


def check_memory(image: Image, source: Source, size: tuple[int, int], result: tuple[int, int], most: int) -> None:
    """Raises Rejected `image.too-many-pixels` when decoding `image`, not loaded yet, would take over `most` bytes.

    `size` is the photo's own, which `image` no longer has if it is decoded at a reduced size.
    """
    _refuse_above(most, estimate_memory(image, source, result), image.format or "", size)


def estimate_memory(image: Image, source: Source, result: tuple[int, int]) -> int:
    """Bytes that decoding and resizing will take at their peak (docs/pictures.md, "Memory")."""
    pixels = image.width * image.height
    stored = _STORED.get(image.mode, 4)
    if _is_turned_tiff(image):
        stored *= 2
    copied = len(source) if image.format in _COPIED else 0
    per_pixel = stored + _DECODING.get(image.format or "", 0)
    coefficients = _estimate_coefficients(image, source)
    across, down = choose_factors(image.size, result)
    reduced = 4 * pixels // (across * down) if across * down > 1 else 0
    return copied + pixels * per_pixel + reduced + coefficients + 16 * result[0] * result[1] + WORKING_BYTES


def _refuse_above(most: int, needed: int, source_format: str, size: tuple[int, int]) -> None:
    if needed > most:
        raise Rejected(
            "image.too-many-pixels",
            f"Decoding this {source_format} of {size[0]} x {size[1]} pixels would take about {needed >> 20} MiB; "
            f"the function's memory leaves {most >> 20} MiB.",
        )


def _is_turned_tiff(image: Image) -> bool:
    """Pillow turns a TIFF upright by making a whole copy."""
    return image.format == "TIFF" and getattr(image, "tag_v2", {}).get(0x0112, 1) != 1


def _estimate_coefficients(image: Image, source: Source) -> int:
    """A JPEG of several scans is held whole as 16-bit coefficients, at whatever size it is decoded."""
    if image.format != "JPEG":
        return 0
    structure = read_structure(source)
    return int(2 * structure.samples_per_pixel * structure.width * structure.height) if structure.scans > 1 else 0


def _check_jpeg(structure: JpegStructure, most_pixels: int) -> None:
    pixels = structure.width * structure.height
    check_pixels((structure.width, structure.height), most_pixels)
    if structure.scans > MAX_SCANS or structure.scans * pixels > max(MAX_SCANNED_PIXELS, 2 * pixels):
        raise Rejected("image.too-many-pixels", f"The JPEG has {structure.scans} or more scans, too many for its size.")


def _check_webp_canvas(source: Source, most_pixels: int, most_memory: int) -> None:
    """The decoder holds the whole canvas from its creation on."""
    from image_ingest.picture.formats.webp import read_canvas

    size = read_canvas(source)
    check_pixels(size, most_pixels)
    _refuse_above(most_memory, size[0] * size[1] * _WEBP_CANVAS_BYTES, "WEBP", size)
