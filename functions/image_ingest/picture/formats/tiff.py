"""A TIFF's first directory, bounded before a decoder reads it (TIFF 6.0; BigTIFF)."""

from __future__ import annotations

import struct

from PIL.TiffImagePlugin import TiffImageFile

from image_ingest.errors import Rejected
from image_ingest.picture.formats import Source
from image_ingest.picture.formats.splice import open_file

MAX_ENTRIES = 4096
MAX_METADATA_BYTES = 32 * 2**20
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def check_directory(source: Source) -> None:
    """Raises Rejected `image.too-many-pixels` (too many entries or too much metadata), `image.unreadable`."""
    order = "<" if source[:2] == b"II" else ">"
    big = source[2:4] in (b"+\0", b"\0+")
    offset, count, entry, size = ("Q", "Q", "HHQ", 20) if big else ("I", "H", "HHI", 12)
    try:
        (first,) = struct.unpack_from(order + offset, source, 8 if big else 4)
        (entries,) = struct.unpack_from(order + count, source, first)
        start = first + struct.calcsize(order + count)
        if entries > MAX_ENTRIES:
            raise Rejected("image.too-many-pixels", f"The TIFF's directory has more than {MAX_ENTRIES} entries.")
        fields = [struct.unpack_from(order + entry, source, start + i * size) for i in range(entries)]
    except struct.error:
        raise Rejected("image.unreadable", "The TIFF is cut off before its directory ends.") from None
    if sum(number * _TYPE_BYTES.get(kind, 0) for _, kind, number in fields) > MAX_METADATA_BYTES:
        raise Rejected(
            "image.too-many-pixels", "The TIFF's directory points to more metadata than this function reads."
        )


def open_tiff(source: Source) -> TiffImageFile:
    """Raises whatever the decoder raises."""
    return TiffImageFile(open_file(source))
