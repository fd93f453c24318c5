"""AVIF whose head is a `mini` box (ISO/IEC 23008-12, "low-overhead image file"), rewritten with the usual `meta` box.

libavif, as Pillow has it, reads only the latter.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from image_ingest.errors import Rejected
from image_ingest.picture.formats import Source
from image_ingest.picture.formats.boxes import find_box

_UNSPECIFIED, _BT709, _SRGB, _BT601 = 2, 1, 13, 6
_AUXILIARY_ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"


@dataclass(frozen=True)
class MiniPicture:
    """What the box holds. `orientation` is that of Exif; sizes are in pixels."""

    width: int
    height: int
    channels: int
    bits: int
    nclx: bytes
    orientation: int
    profile: bytes
    configuration: bytes
    data: bytes
    alpha_configuration: bytes
    alpha: bytes


class _Bits:
    """Reads whole numbers of any length."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)
        self._size = self._left

    def read(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise Rejected("image.unreadable", "The AVIF is cut off in its head.")
        return self._value >> self._left & ((1 << count) - 1)

    def count_bytes(self) -> int:
        """Of everything read so far."""
        return -(-(self._size - self._left) // 8)


def read_mini(source: Source) -> MiniPicture | None:
    """None if the file has no such box. Raises Rejected `image.unreadable`, `image.unsupported-format`."""
    box = find_box(source, b"mini", 0, len(source))
    if box is None:
        return None
    bits = _Bits(source[box.body : min(box.end, box.body + 128)])
    bits.read(2)  # version
    has_codec, is_float, is_full, has_alpha, has_cicp, is_hdr, has_profile, has_exif, has_xmp = (
        bits.read(1) for _ in range(9)
    )
    if has_codec or is_float or is_hdr:
        raise Rejected("image.unsupported-format", "The AVIF's `mini` box states a codec, floats or a gain map.")
    subsampling, orientation = bits.read(2), bits.read(3) + 1
    side = 15 if bits.read(1) else 7
    width, height = bits.read(side) + 1, bits.read(side) + 1
    bits.read({1: 2, 2: 1}.get(subsampling, 0))  # where chroma is sampled
    depth = bits.read(3) + 9 if bits.read(1) else 8
    bits.read(has_alpha)  # premultiplied
    matrix = _BT601 if subsampling else _UNSPECIFIED
    primaries, transfer = (_UNSPECIFIED, _UNSPECIFIED) if has_profile else (_BT709, _SRGB)
    if has_cicp:
        primaries, transfer = bits.read(8), bits.read(8)
        matrix = bits.read(8) if subsampling else _UNSPECIFIED
    metadata = (20 if bits.read(1) else 10) if has_profile or has_exif or has_xmp else 0
    configuration, item = (12 if bits.read(1) else 3), (28 if bits.read(1) else 15)
    profile = bits.read(metadata) + 1 if has_profile else 0
    sizes = [bits.read(configuration), bits.read(item) + 1]
    alpha = bits.read(item) if has_alpha else 0
    alpha_configuration = bits.read(configuration) if alpha else 0
    bits.read(int(has_exif or has_xmp))  # compressed
    bits.read(metadata * (has_exif + has_xmp))
    at, parts = box.body + bits.count_bytes(), list[bytes]()
    for size in (sizes[0], alpha_configuration, profile, alpha, sizes[1]):
        parts.append(source[at : at + size])
        at += size
    nclx = b"nclx" + struct.pack(">HHHB", primaries, transfer, matrix, is_full << 7)
    return MiniPicture(
        width=width,
        height=height,
        channels=3 if subsampling else 1,
        bits=depth,
        nclx=nclx,
        orientation=orientation,
        profile=parts[2],
        configuration=parts[0],
        data=parts[4],
        alpha_configuration=parts[1] or parts[0],
        alpha=parts[3],
    )


def write_avif(picture: MiniPicture) -> bytes:
    """The same picture in a file with a `meta` box; its orientation is left to the caller."""
    meta = _write_meta(picture, 0)
    start = len(_FILE_TYPE) + len(meta) + 8
    return _FILE_TYPE + _write_meta(picture, start) + _box(b"mdat", picture.data + picture.alpha)


def _write_meta(picture: MiniPicture, start: int) -> bytes:
    """`start`: where the data begins in the file."""
    items = [(1, start, len(picture.data))]
    if picture.alpha:
        items.append((2, start + len(picture.data), len(picture.alpha)))
    places = b"".join(struct.pack(">HHHII", item, 0, 1, offset, size) for item, offset, size in items)
    kinds = b"".join(_box(b"infe", struct.pack(">BxxxHH4sx", 2, item, 0, b"av01")) for item, _, _ in items)
    body = bytes(4) + _box(b"hdlr", bytes(8) + b"pict" + bytes(13)) + _box(b"pitm", struct.pack(">IH", 0, 1))
    body += _box(b"iloc", struct.pack(">IBBH", 0, 0x44, 0, len(items)) + places)
    body += _box(b"iinf", struct.pack(">IH", 0, len(items)) + kinds)
    if picture.alpha:
        body += _box(b"iref", bytes(4) + _box(b"auxl", struct.pack(">HHH", 2, 1, 1)))
    return _box(b"meta", body + _write_properties(picture))


def _write_properties(picture: MiniPicture) -> bytes:
    size = _box(b"ispe", struct.pack(">III", 0, picture.width, picture.height))
    colours = [_box(b"colr", picture.nclx)]
    colours += [_box(b"colr", b"prof" + picture.profile)] if picture.profile else []
    of_main = [size, _pixels(picture.channels, picture.bits), _box(b"av1C", picture.configuration), *colours]
    of_alpha = [_pixels(1, picture.bits), _box(b"av1C", picture.alpha_configuration)]
    of_alpha.append(_box(b"auxC", bytes(4) + _AUXILIARY_ALPHA))
    used = [list(range(1, len(of_main) + 1))]
    if picture.alpha:
        used.append([1, *range(len(of_main) + 1, len(of_main) + 4)])
    associations = b"".join(
        struct.pack(">HB", item, len(indices)) + bytes(indices) for item, indices in enumerate(used, 1)
    )
    container = _box(b"ipco", b"".join(of_main + (of_alpha if picture.alpha else [])))
    return _box(b"iprp", container + _box(b"ipma", struct.pack(">II", 0, len(used)) + associations))


def _pixels(channels: int, bits: int) -> bytes:
    return _box(b"pixi", bytes(4) + bytes((channels, *[bits] * channels)))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


_FILE_TYPE = _box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")
