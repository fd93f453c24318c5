"""A JPEG's markers (ITU-T T.81, annex B): its frame, its scans, and what its segments state about its looks.

The decoder gets the segments that hold the picture and nothing else, so damage in any other segment can refuse nothing.
A picture that may be cut off, as its end marker is missing or its last pixel is grey, is decoded with two different
continuations: if they give different pixels, some are missing.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from PIL import ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from image_ingest.errors import Rejected
from image_ingest.picture.formats import Source
from image_ingest.picture.formats.splice import Splice

MAX_SCANS = 100  # encoders write about 10, or 20 for four colours; each costs a pass over all pixels
MAX_SEGMENTS = 2000
MAX_METADATA_BYTES = 32 * 2**20
_MAX_FILL_BYTES = 4096

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDD})
_START_OF_SCAN, _END_OF_IMAGE, _COMMENT = 0xDA, 0xD9, 0xFE
_WITHOUT_BODY = (0x01, 0xD8)
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # neither stuffing nor a restart marker
_UNKNOWN = 14  # bits that no scan has given yet
_START, _END = b"\xff\xd8", b"\xff\xd9"
_MORE_DATA = b"\xaa" * 255 + _END  # of a few blocks
_GREY = {127, 128}


@dataclass(frozen=True)
class JpegStructure:
    """What the markers state. `scans` is an upper bound, and 1 for a picture that is decoded in one pass."""

    width: int
    height: int
    samples_per_pixel: float
    scans: int


@dataclass(frozen=True)
class _Scan:
    """Which components a scan is for, which coefficients, how many of their bits it leaves, and where its data ends."""

    components: bytes
    first: int
    last: int
    missing_bits: int
    end: int


@dataclass
class _Header:
    """Everything before the first scan's data. `parts` are for the decoder; `segments` are the application's."""

    frame: bytes
    progressive: bool
    scan: int  # where the first scan's header begins
    parts: list[bytes]
    segments: list[tuple[int, bytes]] = field(default_factory=list)


class Jpeg(JpegImageFile):
    """A JPEG as Pillow opens it. Its `info` has `icc_profile`, `exif` and `mp` where sound."""

    source: Source
    header: _Header

    def load(self) -> Any:
        """Raises OSError if pixels are missing."""
        tile = self.tile
        try:
            super().load()
        except OSError:
            end = _find_end(self.source, self.header)
            if end is None:
                raise
            self._load_up_to(end, tile, _END)
            self._check_completeness(end, tile)
        else:
            if tile and self._may_end_early() and (end := _find_end(self.source, self.header)):
                self._check_completeness(end, tile)
        return super().load()

    def _may_end_early(self) -> bool:
        """Whether the last pixel is as libjpeg leaves those that the only scan did not reach."""
        if self.header.progressive:
            return False
        levels = self.getpixel((self.width - 1, self.height - 1))
        return {levels} <= _GREY if isinstance(levels, int) else {*cast("Any", levels)} <= _GREY

    def _check_completeness(self, end: int, tile: list[Any]) -> None:
        """Raises OSError if more data behind `end` would give other pixels than those that are loaded."""
        loaded = self._new(self.im)
        self._load_up_to(end, tile, _MORE_DATA)
        if ImageChops.difference(loaded, self._new(self.im)).getbbox() is not None:
            raise OSError("rows are missing")

    def _load_up_to(self, end: int, tile: list[Any], continuation: bytes) -> None:
        """Loads what stands before `end`, where an end marker should be, and then the continuation."""
        body = memoryview(self.source)[self.header.scan : end]
        self.tile = list(tile)
        self.fp = cast("Any", Splice([*self.header.parts, body, continuation]))
        self._im = None
        super().load()


def read_structure(source: Source) -> JpegStructure:
    """Reads the markers up to the first scan, and counts the scans of a picture that has several.

    Raises Rejected `image.unreadable` (no frame or scan), `image.too-many-pixels` (too much metadata).
    """
    header = _read_header(source)
    width, height, sampling = _read_frame(header.frame)
    whole = max(h for h, _ in sampling) * max(v for _, v in sampling)
    several = header.progressive or source[header.scan + 4] < len(sampling)
    scans = _count_scans(source, header.scan + 2) if several else 1
    return JpegStructure(width, height, sum(h * v for h, v in sampling) / whole, scans)


def open_jpeg(source: Source) -> Jpeg:
    """Raises Rejected as `read_structure` does, `image.unsupported-format`, and whatever the decoder raises."""
    header = _read_header(source)
    if header.frame[2] != 8:
        raise Rejected("image.unsupported-format", f"The JPEG has {header.frame[2]} bits per channel; only 8 are read.")
    image = Jpeg(cast("Any", Splice([*header.parts, memoryview(source)[header.scan :]])))
    image.source, image.header = source, header
    image.info = _read_looks(header.segments)
    return image


def _read_header(source: Source) -> _Header:
    position, frame, progressive = 2, None, False
    parts, segments = [_START], list[tuple[int, bytes]]()
    for _ in range(MAX_SEGMENTS):
        match = _MARKER.search(source, position)
        if match is None or match.end() + 3 > len(source):
            break
        marker, body = match[1][0], match.end()
        if body > MAX_METADATA_BYTES or len(match[0]) > _MAX_FILL_BYTES:
            raise Rejected("image.too-many-pixels", "The JPEG has more metadata than this function reads.")
        if marker == _START_OF_SCAN:
            if frame is None:
                break
            return _Header(frame, progressive, body - 2, parts, segments)
        position = body if marker in _WITHOUT_BODY else body + int.from_bytes(source[body : body + 2], "big")
        content = source[body + 2 : position]
        if marker in _FRAME_MARKERS:
            frame, progressive = source[body : body + 20], marker in _PROGRESSIVE
        if marker in _FRAME_MARKERS or marker in _TABLES or _states_colours(marker, content):
            parts.append(bytes((0xFF, marker)) + source[body:position])
        elif 0xE1 <= marker <= 0xEF:
            segments.append((marker, content))
    else:
        raise Rejected("image.too-many-pixels", f"The JPEG has more than {MAX_SEGMENTS} segments before its picture.")
    raise Rejected("image.unreadable", "The JPEG is cut off before its picture, or has no frame header.")


def _states_colours(marker: int, content: bytes) -> bool:
    """Whether libjpeg derives the colour space from this segment, and it is whole."""
    is_jfif = marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= 14
    is_adobe = marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12
    return is_jfif or is_adobe


def _read_frame(frame: bytes) -> tuple[int, int, list[tuple[int, int]]]:
    """Width, height and the sampling factors of each component. Raises Rejected `image.unreadable`."""
    if len(frame) < 8 or len(frame) < 8 + 3 * frame[7]:
        raise Rejected("image.unreadable", "The JPEG has no readable frame header before its picture.")
    height, width, components = struct.unpack_from(">HHB", frame, 3)
    sampling = [(b >> 4, b & 15) for b in frame[9 : 8 + 3 * components : 3]]
    if not sampling or not all(1 <= factor <= 4 for pair in sampling for factor in pair):
        raise Rejected("image.unreadable", "The JPEG's frame header is damaged.")
    return width, height, sampling


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


def _find_end(source: Source, header: _Header) -> int | None:
    """Where the last scan's data ends, or None if scans are missing."""
    components = header.frame[8::3][: header.frame[7]]
    if not header.progressive:
        seen, end = set[int](), None
        for scan in _walk_scans(source, header.scan):
            seen, end = seen | set(scan.components), scan.end
            if len(seen) == len(components):
                return end
        return None
    missing = {component: [_UNKNOWN] * 64 for component in components}
    end = None
    for scan in _walk_scans(source, header.scan):
        end = scan.end
        for component in scan.components:
            missing[component][scan.first : scan.last + 1] = [scan.missing_bits] * (scan.last + 1 - scan.first)
    return end if not any(bits for levels in missing.values() for bits in levels) else None


def _walk_scans(source: Source, position: int) -> Iterator[_Scan]:
    """Each scan up to the end marker, or to what is no segment of a picture."""
    for _ in range(MAX_SEGMENTS):
        match = _MARKER.search(source, position)
        if match is None:
            return
        marker, body = match[1][0], match.end()
        position = body + int.from_bytes(source[body : body + 2], "big")
        if marker == _START_OF_SCAN:
            count = source[body + 2]
            following = _MARKER.search(source, position)
            position = following.start() if following else _drop_fill(source)
            first, last, levels = source[body + 3 + 2 * count : body + 6 + 2 * count]
            yield _Scan(source[body + 3 : body + 3 + 2 * count : 2], first, min(last, 63), levels & 15, position)
        elif marker not in _TABLES and not 0xE0 <= marker <= 0xEF and marker != _COMMENT:
            return


def _drop_fill(source: Source) -> int:
    """The end of the source without an incomplete marker."""
    end = len(source)
    while end and source[end - 1] == 0xFF:
        end -= 1
    return end


def _read_looks(segments: list[tuple[int, bytes]]) -> dict[str | tuple[int, int], Any]:
    exif = next((body for marker, body in segments if marker == 0xE1 and body.startswith(b"Exif\0\0")), None)
    known = {
        "exif": exif,
        "icc_profile": _join_profile([b for m, b in segments if m == 0xE2 and b.startswith(b"ICC_PROFILE\0")]),
        "mp": next((body[4:] for marker, body in segments if marker == 0xE2 and body.startswith(b"MPF\0")), None),
    }
    return {name: value for name, value in known.items() if value is not None}


def _join_profile(segments: list[bytes]) -> bytes | None:
    """The profile in the order that its segments state, or None if one is missing or too short."""
    parts = {body[12]: body[14:] for body in segments if len(body) > 14}
    if not parts or sorted(parts) != list(range(1, len(parts) + 1)) or segments[0][13] != len(parts):
        return None
    return b"".join(parts[i] for i in sorted(parts))
