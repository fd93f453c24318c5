"""A JPEG's markers: its frame, its scans, and what stands before its first scan (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from image_ingest.errors import Rejected
from image_ingest.picture.formats import Source

MAX_SCANS = 100  # encoders write about 10, or 20 for four colours; each costs a pass over all pixels
MAX_SEGMENTS = 2000
MAX_METADATA_BYTES = 32 * 2**20
_MAX_FILL_BYTES = 4096

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_BODY = (0x01, 0xD8)
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # neither stuffing nor a restart marker


@dataclass(frozen=True)
class JpegStructure:
    """What the markers state. `scans` is an upper bound, and 1 for a picture that is decoded in one pass."""

    width: int
    height: int
    samples_per_pixel: float
    scans: int


def read_structure(source: Source) -> JpegStructure:
    """Reads the markers up to the first scan, and counts the scans of a picture that has several.

    Raises Rejected `image.unreadable` (no frame or scan), `image.too-many-pixels` (too much metadata).
    """
    position, frame, progressive = 2, None, False
    for _ in range(MAX_SEGMENTS):
        match = _MARKER.search(source, position)
        if match is None or match.end() + 3 > len(source):
            break
        marker, body = match[1][0], match.end()
        if body > MAX_METADATA_BYTES or len(match[0]) > _MAX_FILL_BYTES:
            raise Rejected("image.too-many-pixels", "The JPEG has more metadata than this function reads.")
        if marker in _FRAME_MARKERS:
            frame, progressive = source[body : body + 20], marker in _PROGRESSIVE
        elif marker == _START_OF_SCAN:
            return _describe(source, frame, body, progressive=progressive)
        position = body if marker in _WITHOUT_BODY else body + int.from_bytes(source[body : body + 2], "big")
    else:
        raise Rejected("image.too-many-pixels", f"The JPEG has more than {MAX_SEGMENTS} segments before its picture.")
    raise Rejected("image.unreadable", "The JPEG is cut off before its picture.")


def _describe(source: Source, frame: bytes | None, scan: int, *, progressive: bool) -> JpegStructure:
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
    """The scans from `first` on: a quick upper bound where that is within MAX_SCANS, otherwise the exact number."""
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
