"""BMP files in the layouts that Pillow does not write, put together field by field."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from PIL import Image


def bmp(
    size: tuple[int, int],
    bits: int,
    pixels: bytes,
    *,
    version: int = 40,
    compression: int = 0,
    colours: int = 0,
    palette: bytes = b"",
    masks: Sequence[int] = (),
    fields: bytes = b"",
    behind: bytes = b"",
) -> bytes:
    """A BMP file. `fields` are those of the header behind the masks; `behind` follows the pixels.

    With a negative height, the top row comes first.
    """
    width, height = size
    if version == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    elif version == 16:
        info = struct.pack("<IiiHH", 16, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", version, width, height, 1, bits, compression, len(pixels), 0, 0, colours, 0)
        info += struct.pack(f"<{len(masks)}I", *masks) + fields
        if version > 40:
            info = info.ljust(version, b"\0")
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + info + palette + pixels + behind


def pack_rows(image: Image.Image, masks: Sequence[int], bits: int) -> bytes:
    """RGB or RGBA pixels as whole numbers with these masks, the bottom row first."""
    rows = []
    for y in reversed(range(image.height)):
        row = b"".join(
            _pack_pixel(image.getpixel((x, y)), masks).to_bytes(bits // 8, "little")  # type: ignore[arg-type]  # a tuple
            for x in range(image.width)
        )
        rows.append(row + bytes(-len(row) % 4))
    return b"".join(rows)


def pack_indices(image: Image.Image, bits: int) -> bytes:
    """Indices of so many bits, the bottom row first. `image` is P."""
    rows, per_byte = [], 8 // bits
    raw = image.tobytes()
    for y in reversed(range(image.height)):
        row = raw[y * image.width : (y + 1) * image.width]
        row += bytes(-len(row) % per_byte)
        packed = bytes(
            sum(index << bits * (per_byte - 1 - i) for i, index in enumerate(row[at : at + per_byte]))
            for at in range(0, len(row), per_byte)
        )
        rows.append(packed + bytes(-len(packed) % 4))
    return b"".join(rows)


def palette_of(image: Image.Image, entries: int) -> bytes:
    """The palette in four bytes per entry, filled up with black."""
    raw = bytes(image.getpalette() or ())[: 3 * entries].ljust(3 * entries, b"\0")
    return b"".join(bytes((raw[i + 2], raw[i + 1], raw[i], 0)) for i in range(0, len(raw), 3))


def _pack_pixel(pixel: Sequence[int], masks: Sequence[int]) -> int:
    value = 0
    for channel, mask in zip(pixel, masks, strict=False):
        if mask:
            shift = (mask & -mask).bit_length() - 1
            value |= round(channel * (mask >> shift) / 255) << shift
    return value
