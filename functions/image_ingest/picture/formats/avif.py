"""AVIF (AV1 Image File Format): libavif's reader, given what it insists on."""

from __future__ import annotations

import struct
from typing import Any

from PIL.AvifImagePlugin import AvifImageFile

from image_ingest.picture.formats import Source
from image_ingest.picture.formats.boxes import Box, find_box, read_associations, read_statements, walk_boxes
from image_ingest.picture.formats.mini import read_mini, write_avif
from image_ingest.picture.formats.splice import Splice, open_file
from image_ingest.picture.orientation import write_exif


def open_avif(source: Source) -> AvifImageFile:
    """Raises Rejected as `read_mini` does, and whatever the decoder raises."""
    mini = read_mini(source)
    if mini is not None:
        image = open_avif(write_avif(mini))
        image.info["exif"] = write_exif(mini.orientation)
        return image
    file = _join_associations(source) or open_file(source)
    image = AvifImageFile(file)
    cicp = read_statements(source).cicp
    if cicp is not None and "icc_profile" not in image.info:
        image.info["cicp"] = cicp
    return image


def _join_associations(source: Source) -> Any:
    """The file with one `ipma` box instead of two of the same version and flags, which libavif refuses.

    A `free` box makes up for the head that this saves, so that everything stays where it was.
    """
    meta = find_box(source, b"meta", 0, len(source))
    properties = find_box(source, b"iprp", meta.body + 4, meta.end) if meta else None
    if properties is None:
        return None
    boxes = list(walk_boxes(source, properties.body, properties.end))
    associations = [box for box in boxes if box.kind == b"ipma"]
    heads = [source[box.body : box.body + 4] for box in associations]
    if len(heads) < 2 or len(set(heads)) == len(heads) or len(set(heads)) > 1 or boxes[-1].end != properties.end:
        return None
    try:
        joined = _join(source, associations)
    except (struct.error, IndexError):
        return None
    whole = memoryview(source)
    others = [whole[box.start : box.end] for box in boxes if box.kind != b"ipma"]
    saved = sum(box.end - box.start for box in associations) - len(joined)
    if saved < 8:
        return None
    head = struct.pack(">I4s", properties.end - properties.start - saved, b"iprp")
    free = struct.pack(">I4s", saved, b"free") + bytes(saved - 8)
    return Splice([whole[: properties.start], head, *others, joined, free, whole[properties.end :]])


def _join(source: Source, associations: list[Box]) -> bytes:
    items = dict[int, list[int]]()
    for box in associations:
        for item, indices in read_associations(source, box).items():
            items.setdefault(item, []).extend(indices)
    head = source[associations[0].body : associations[0].body + 4]
    body = head + struct.pack(">I", len(items))
    for item, indices in sorted(items.items()):
        body += struct.pack(">IB" if head[0] else ">HB", item, len(indices))
        body += b"".join(
            struct.pack(">H", index) if head[3] & 1 else bytes((index & 0x7F | index >> 8 & 0x80,)) for index in indices
        )
    return struct.pack(">I4s", 8 + len(body), b"ipma") + body
