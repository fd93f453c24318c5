"""PNG (W3C Recommendation, third edition): the decoder gets the chunks that hold the picture, and nothing else.

Damage in any other chunk can then refuse nothing. What such chunks state about the picture's looks is read here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, cast

from PIL.PngImagePlugin import PngImageFile

from image_ingest.errors import Rejected
from image_ingest.picture.colour.cicp import PRIMARIES, TRANSFERS, Cicp
from image_ingest.picture.colour.icc import (
    MAX_PROFILE_BYTES,
    SRGB_COLORANTS,
    SRGB_CURVE,
    adapt_colorants,
    build_profile,
)
from image_ingest.picture.formats import Source
from image_ingest.picture.formats.splice import Splice

MAX_CHUNKS = 100_000
_SIGNATURE_BYTES = 8
_HEAD = (b"IHDR", b"PLTE")
_PALETTE = 3
_BEFORE_PIXELS = (b"tRNS", b"acTL")
_NO_CHECKSUM = bytes(4)  # the decoder does not read those of pixels
_END = b"\0\0\0\0IEND\xaeB`\x82"
_INFLATED_AT_ONCE = 1 << 20
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass
class _Chunks:
    """`head`: signature, IHDR and PLTE; `pixels`: bodies of IDAT; `others`: bodies of sound ancillary chunks."""

    head: list[bytes | memoryview]
    pixels: list[memoryview] = field(default_factory=list)
    others: dict[bytes, bytes] = field(default_factory=dict)
    animation: list[tuple[bytes, memoryview]] = field(default_factory=list)  # if it leaves the default image out


class Png(PngImageFile):
    """A PNG as Pillow opens it. Its `info` has `icc_profile`, `exif`, `cicp` and `transparency` where sound."""

    pixels: list[memoryview]
    depth_and_colour: tuple[int, int]

    def load_end(self) -> None:
        """Raises OSError if the file holds fewer rows than it states."""
        super().load_end()
        width, height = self.size
        if self.im.crop((0, height - 1, width, height)).getbbox() is None and not self._is_whole():
            raise OSError("rows are missing")

    def _is_whole(self) -> bool:
        """Counts the bytes of all rows: decoders leave missing rows black and do not report them."""
        inflate = zlib.decompressobj()
        missing = _count_bytes(self.size, *self.depth_and_colour, interlaced=bool(self.info.get("interlace")))
        for part in self.pixels:
            data = bytes(part)
            while data and missing > 0 and not inflate.eof:
                missing -= len(inflate.decompress(data, _INFLATED_AT_ONCE))
                data = inflate.unconsumed_tail
        return missing <= 0


def open_png(source: Source) -> Png:
    """Raises Rejected `image.too-many-pixels`, and whatever the decoder raises."""
    chunks = _split(source)
    parts = [part for body in chunks.pixels for part in (struct.pack(">I4s", len(body), b"IDAT"), body, _NO_CHECKSUM)]
    if source[25] == _PALETTE and not any(part[4:8] == b"PLTE" and part[:4] != bytes(4) for part in chunks.head[1:]):
        raise Rejected("image.unreadable", "The PNG has indices into a palette, and no palette.")
    image = Png(cast("Any", Splice([*chunks.head, *parts, _END])))
    image.pixels, image.depth_and_colour = chunks.pixels, (source[24], source[25])
    image.info = {key: value for key, value in image.info.items() if key == "interlace"}
    _read_looks(image, chunks.others)
    return image


def _split(source: Source) -> _Chunks:
    chunks = _Chunks([source[:_SIGNATURE_BYTES]])
    whole, animated = memoryview(source), False
    for kind, start, end in _walk(source):
        body = whole[start + 8 : min(end - 4, len(source))]
        if kind in _HEAD:
            chunks.head.append(whole[start:end])
        elif kind == b"IDAT":
            chunks.pixels.append(body)
        elif kind in (b"fcTL", b"fdAT"):
            animated = animated or not chunks.pixels  # the default image is the first frame
            chunks.animation.append((kind, body))
        elif (
            kind not in chunks.others
            and not (kind in _BEFORE_PIXELS and chunks.pixels)
            and _is_sound(source, start, end)
        ):
            chunks.others[kind] = bytes(body)
    if _states_animation(chunks.others.get(b"acTL", b"")) and not animated:
        chunks.pixels = _take_first_frame(chunks.animation, source[16:24]) or chunks.pixels
    return chunks


def _states_animation(body: bytes) -> bool:
    """Whether the numbers of frames and of repetitions are possible."""
    frames, repetitions = struct.unpack(">II", body) if len(body) == 8 else (0, 0)
    return bool(0 < frames < 2**31 and repetitions < 2**31)


def _take_first_frame(animation: list[tuple[bytes, memoryview]], size: bytes) -> list[memoryview]:
    """Of an animation without the default image, which browsers then do not show; nothing if it leaves pixels free.

    A frame without data is none.
    """
    start = next((at for at, (kind, _) in enumerate(animation) if kind == b"fdAT"), 0)
    if start == 0 or bytes(animation[start - 1][1][4:20]) != size + bytes(8):
        return []
    return [body[4:] for _, body in takewhile(lambda chunk: chunk[0] == b"fdAT", animation[start:])]


def _walk(source: Source) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's kind, start and end, up to IEND or to what is no chunk. The last pixels may be cut off."""
    position = _SIGNATURE_BYTES
    for _ in range(MAX_CHUNKS):
        length, kind = int.from_bytes(source[position : position + 4], "big"), source[position + 4 : position + 8]
        if len(kind) < 4 or not kind.isalpha() or kind == b"IEND":
            return
        end = position + 12 + length
        if end <= len(source) or kind == b"IDAT":
            yield kind, position, end
        position = end
    raise Rejected("image.too-many-pixels", f"The PNG has more than {MAX_CHUNKS} chunks.")


def _is_sound(source: Source, start: int, end: int) -> bool:
    return zlib.crc32(source[start + 4 : end - 4]) == int.from_bytes(source[end - 4 : end], "big")


def _read_looks(image: Png, others: dict[bytes, bytes]) -> None:
    """Fills `info` from the chunks that matter for the looks, each ignored if it is malformed."""
    known = {
        "cicp": _read_cicp(others.get(b"cICP", b"")),
        "icc_profile": _read_profile(others.get(b"iCCP", b"")) or _build_profile(others),
        "exif": others.get(b"eXIf"),
        "transparency": _read_transparency(image, others.get(b"tRNS", b"")),
    }
    image.info |= {name: value for name, value in known.items() if value is not None}


def _read_profile(body: bytes) -> bytes | None:
    _, found, packed = body.partition(b"\0")
    if not found or packed[:1] != b"\0":
        return None
    try:
        inflate = zlib.decompressobj()
        profile = inflate.decompress(packed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return profile if inflate.eof else None


def _read_cicp(body: bytes) -> Cicp | None:
    """For RGB of full range."""
    is_known = len(body) == 4 and body[2:] == b"\0\1" and body[0] in PRIMARIES and body[1] in TRANSFERS
    return Cicp(body[0], body[1]) if is_known else None


def _build_profile(others: dict[bytes, bytes]) -> bytes | None:
    """Of the colours that gAMA and cHRM state, unless sRGB overrules them."""
    gamma, chromaticity = others.get(b"gAMA", b""), others.get(b"cHRM", b"")
    exponent = 100_000 / int.from_bytes(gamma, "big") if len(gamma) == 4 and any(gamma) else None
    if b"sRGB" in others or (exponent is None and len(chromaticity) != 32):
        return None
    try:
        colorants = adapt_colorants([value / 100_000 for value in struct.unpack(">8I", chromaticity)])
    except (struct.error, ZeroDivisionError):
        colorants = list(SRGB_COLORANTS)
    return build_profile(colorants, exponent or SRGB_CURVE)


def _read_transparency(image: Png, body: bytes) -> bytes | int | tuple[int, ...] | None:
    """As Pillow keeps it: alpha values of a palette, or the one transparent grey or colour in the decoded depth."""
    depth, colour = image.depth_and_colour
    if colour == _PALETTE:
        return body[:256] or None
    if colour == 0 and len(body) == 2:
        most: int = (1 << depth) - 1
        value = int.from_bytes(body, "big")
        if value > most:
            return None  # as Chromium has it: no pixel is of this grey
        return value if depth == 16 else value * 255 // most
    if colour == 2 and len(body) == 6:
        red, green, blue = (value >> 8 if depth == 16 else value & 255 for value in struct.unpack(">3H", body))
        return red, green, blue
    return None


def _count_bytes(size: tuple[int, int], depth: int, colour: int, *, interlaced: bool) -> int:
    """Of all rows, unpacked, each with its filter byte."""
    bits, total = depth * _CHANNELS[colour], 0
    for left, top, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(size[0] - left) // across), -(-(size[1] - top) // down)
        if columns > 0:
            total += max(0, rows) * (1 + -(-columns * bits // 8))
    return total
