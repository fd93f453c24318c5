"""Which way up a picture is (Exif 2.32, tag 274), read without trusting the rest of its metadata."""

from __future__ import annotations

import struct
from typing import Any

from PIL import Image

_TAG = 0x0112
_MOST_ENTRIES = 512
_IDENTIFIER = b"Exif\0\0"
_KINDS = {1: "B", 3: "H", 4: "I"}
_UPRIGHT: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_orientation(image: Image.Image) -> int:
    """1 … 8. The decoder of TIFF turns its pictures itself, and that of HEIF those that the container turns."""
    if image.format == "HEIF":
        return int(image.info.get("original_orientation") or 1)
    return 1 if image.format == "TIFF" else _read_exif(image.info)


def write_exif(orientation: int) -> bytes:
    """Exif that states only the orientation."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _TAG, 3, 1, orientation, 0, 0)


def is_sideways(orientation: int) -> bool:
    """Whether turning upright exchanges width and height."""
    return orientation >= 5


def is_reversed(orientation: int, along: int) -> bool:
    """Whether turning upright reverses the picture's width (`along` 0) or height (1), as it is stored."""
    return orientation in ((2, 3, 7, 8), (3, 4, 6, 7))[along]


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as people see it."""
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _read_exif(info: dict[Any, Any]) -> int:
    exif = info.get("exif")
    if not isinstance(exif, bytes):
        return 1
    tiff = exif
    while tiff.startswith(_IDENTIFIER):  # some WebP files have it twice
        tiff = tiff[len(_IDENTIFIER) :]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        return _search_directory(tiff, order)
    except (struct.error, KeyError):
        return 1


def _search_directory(tiff: bytes, order: str) -> int:
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    for entry in range(min(entries, _MOST_ENTRIES)):
        tag, kind, count = struct.unpack_from(order + "HHI", tiff, start + 2 + 12 * entry)
        if tag == _TAG:
            (value,) = struct.unpack_from(order + _KINDS[kind], tiff, start + 10 + 12 * entry)
            return int(value) if count and 1 <= value <= 8 else 1
    return 1
