"""A WebP's size, from its first chunk (WebP container specification)."""

from __future__ import annotations

import struct

from PIL.WebPImagePlugin import WebPImageFile

from image_ingest.errors import Rejected
from image_ingest.picture.formats import Source
from image_ingest.picture.formats.splice import open_file


def read_canvas(source: Source) -> tuple[int, int]:
    """Width and height of the whole canvas. Raises Rejected `image.unreadable`."""
    head = source[12:30]
    if len(head) < (13 if head[:4] == b"VP8L" else 18):
        raise Rejected("image.unreadable", "The WebP is cut off before its size.")
    if head[:4] == b"VP8X":
        return int.from_bytes(head[12:15], "little") + 1, int.from_bytes(head[15:18], "little") + 1
    if head[:4] == b"VP8L":
        bits = int.from_bytes(head[9:13], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", head, 14)
    return width & 0x3FFF, height & 0x3FFF


def open_webp(source: Source) -> WebPImageFile:
    """Raises whatever the decoder raises."""
    return WebPImageFile(open_file(source))
