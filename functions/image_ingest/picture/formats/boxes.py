"""ISO base media files (ISO 14496-12, 23008-12): what AVIF and HEIC state about their primary picture."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from image_ingest.picture.colour.cicp import Cicp, read_nclx
from image_ingest.picture.formats import Source

_MAX_BOXES = 4096


@dataclass(frozen=True)
class Box:
    """A box's type, where it begins, and where its content begins and ends."""

    kind: bytes
    start: int
    body: int
    end: int


@dataclass
class Statements:
    """Properties of the primary picture."""

    cicp: Cicp | None = None
    is_turned: bool = False  # by the container, so that the decoder turns it
    kinds: set[bytes] = field(default_factory=set)


def walk_boxes(source: Source, start: int, end: int) -> Iterator[Box]:
    """The boxes side by side in a part of the source, up to the first that is damaged."""
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", source, start)
        body = start + 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", source, body)
            body += 8
        stop = end if size == 0 else start + size
        if stop > end or stop < body:
            return
        yield Box(kind, start, body, stop)
        start = stop


def find_box(source: Source, kind: bytes, start: int, end: int) -> Box | None:
    """The first such box side by side."""
    return next((box for box in walk_boxes(source, start, end) if box.kind == kind), None)


def read_statements(source: Source) -> Statements:
    """Nothing where the boxes are damaged: the decoder reports what matters."""
    found = Statements()
    try:
        for box in _walk_properties(source):
            found.kinds.add(box.kind)
            if box.kind in (b"irot", b"imir"):
                found.is_turned = True
            elif box.kind == b"colr" and source[box.body : box.body + 4] == b"nclx" and found.cicp is None:
                primaries, transfer = struct.unpack_from(">HH", source, box.body + 4)
                found.cicp = read_nclx(primaries, transfer)
    except (struct.error, IndexError):
        pass
    return found


def _walk_properties(source: Source) -> Iterator[Box]:
    meta = find_box(source, b"meta", 0, len(source))
    if meta is None:
        return
    primary = find_box(source, b"pitm", meta.body + 4, meta.end)
    properties = find_box(source, b"iprp", meta.body + 4, meta.end)
    if primary is None or properties is None:
        return
    item = int.from_bytes(source[primary.body + 4 : primary.body + (6 if source[primary.body] == 0 else 8)], "big")
    container = find_box(source, b"ipco", properties.body, properties.end)
    boxes = list(walk_boxes(source, container.body, container.end)) if container else []
    for association in walk_boxes(source, properties.body, properties.end):
        if association.kind == b"ipma":
            for index in read_associations(source, association).get(item, []):
                if 0 < index & 0x7FFF <= len(boxes):
                    yield boxes[(index & 0x7FFF) - 1]


def read_associations(source: Source, box: Box) -> dict[int, list[int]]:
    """Of an `ipma` box: each item's properties, counted from 1, with 0x8000 added for an essential one."""
    version, is_wide = source[box.body], source[box.body + 3] & 1
    (count,) = struct.unpack_from(">I", source, box.body + 4)
    at, found = box.body + 8, dict[int, list[int]]()
    for _ in range(min(count, _MAX_BOXES)):
        (item,) = struct.unpack_from(">I" if version else ">H", source, at)
        at += 4 if version else 2
        size, at = source[at], at + 1
        if is_wide:
            indices = list(struct.unpack_from(f">{size}H", source, at))
        else:
            indices = [byte & 0x7F | (byte & 0x80) << 8 for byte in source[at : at + size]]
        at += size * (2 if is_wide else 1)
        found.setdefault(item, []).extend(indices)
    return found
