"""A TIFF's directory (TIFF 6.0, BigTIFF), in either byte order, bounded before anything is read with it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from image_ingest.errors import Rejected
from image_ingest.picture.formats import Source

MAX_ENTRIES = 4096
MAX_METADATA_BYTES = 32 * 2**20
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
STRIPS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 273, 277, 278, 279, 284
PREDICTOR, COLOUR_MAP, EXTRA_SAMPLES, SAMPLE_FORMAT = 317, 320, 338, 339


@dataclass(frozen=True)
class Entry:
    """A tag's type, how many values it has, and where they are."""

    kind: int
    count: int
    offset: int

    @property
    def size(self) -> int:
        """Of all values, in bytes."""
        return self.count * _TYPE_BYTES.get(self.kind, 1)


@dataclass(frozen=True)
class Directory:
    """A directory's entries by tag. `order` is `<` or `>`."""

    source: Source
    order: str
    entries: dict[int, Entry]

    def values(self, tag: int) -> tuple[int, ...]:
        """Whole numbers; none if the tag is missing or of another type. Raises struct.error."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _CODES:
            return ()
        return struct.unpack_from(f"{self.order}{entry.count}{_CODES[entry.kind]}", self.source, entry.offset)

    def value(self, tag: int, default: int) -> int:
        """The first of them."""
        return next(iter(self.values(tag)), default)


def check_directory(source: Source) -> None:
    """Raises Rejected `image.too-many-pixels` (too many entries or too much metadata), `image.unreadable`."""
    directory = read_directory(source)
    size = sum(entry.size for entry in directory.entries.values())
    if size > MAX_METADATA_BYTES:
        raise Rejected(
            "image.too-many-pixels", "The TIFF's directory points to more metadata than this function reads."
        )


def read_directory(source: Source, start: int | None = None) -> Directory:
    """The first directory, or the one at `start`. Raises Rejected `image.too-many-pixels`, `image.unreadable`."""
    order = "<" if source[:2] == b"II" else ">"
    is_big = source[2:4] in (b"+\0", b"\0+")
    offset, count, entry, size = ("Q", "Q", "HHQ", 20) if is_big else ("I", "H", "HHI", 12)
    try:
        if start is None:
            (start,) = struct.unpack_from(order + offset, source, 8 if is_big else 4)
        (number,) = struct.unpack_from(order + count, source, start)
        if number > MAX_ENTRIES:
            raise Rejected("image.too-many-pixels", f"The TIFF's directory has more than {MAX_ENTRIES} entries.")
        first = start + struct.calcsize(order + count)
        places = [first + i * size for i in range(number)]
        fields = [struct.unpack_from(order + entry, source, place) for place in places]
        entries = dict[int, Entry]()
        for place, (tag, kind, values) in zip(places, fields, strict=True):
            inline = size - struct.calcsize(order + entry)
            at = place + size - inline
            if Entry(kind, values, 0).size > inline:
                (at,) = struct.unpack_from(order + offset, source, at)
            entries.setdefault(tag, Entry(kind, values, at))
    except struct.error:
        raise Rejected("image.unreadable", "The TIFF is cut off before its directory ends.") from None
    return Directory(source, order, entries)
