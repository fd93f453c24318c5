"""Pictures whose pixels are complete, damaged only in parts that are discarded anyway."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from tests.pictures.makers import box, chunk, encoded, exif, insert_after_header, segment, with_segments
from tests.pictures.profiles import rgb_profile
from tests.pictures.scene import Sample, clear, scene, see_through, stored

_ANCILLARY = "iCCP gAMA cHRM sRGB sBIT bKGD hIST pHYs sPLT tIME tEXt zTXt iTXt eXIf cICP quAl"
_ANIMATION = "acTL fcTL fdAT"
_PROFILE_BYTES = 2 * 2**20


def _break_checksum(made: bytes) -> bytes:
    return made[:-4] + bytes(byte ^ 0xFF for byte in made[-4:])


def _png_with(*chunks: bytes) -> bytes:
    return insert_after_header(encoded(scene(), "PNG"), *chunks)


def _png_before_end(*chunks: bytes) -> bytes:
    plain = encoded(scene(), "PNG")
    return plain[:-12] + b"".join(chunks) + plain[-12:]


def _png_kinds(name: str, make: Callable[[bytes], bytes]) -> tuple[Sample, ...]:
    """One picture with every ancillary chunk damaged in this way, before its pixels and once more behind them."""
    damaged, animated = ([make(kind) for kind in kinds.encode().split()] for kinds in (_ANCILLARY, _ANIMATION))
    return (
        stored(f"png-animation-{name}", lambda: _png_with(*animated), tolerance=6),
        stored(f"png-chunks-{name}", lambda: _png_with(*damaged), tolerance=6),
        stored(f"png-chunks-{name}-behind", lambda: _png_before_end(*damaged), tolerance=6),
    )


def _long_profile() -> bytes:
    profile = rgb_profile()
    padded = struct.pack(">I", _PROFILE_BYTES) + profile[4:] + bytes(_PROFILE_BYTES - len(profile))
    return _png_with(chunk(b"iCCP", b"p\0\0" + zlib.compress(padded, 9)))


def _bomb() -> bytes:
    return zlib.compress(bytes(64 * 2**20), 9)


def _no_transparency() -> bytes:
    return _png_with(_break_checksum(chunk(b"tRNS", bytes(6))))


def _jpeg(**options: object) -> bytes:
    return encoded(scene(), "JPEG", quality=95, **options)


def _without_end(**options: object) -> bytes:
    return _jpeg(**options)[:-2]


def _video() -> bytes:
    return box(b"ftyp", b"mp42\0\0\0\0isommp42") + box(b"mdat", bytes(range(256)) * 40)


def _short(marker: int, identifier: bytes) -> tuple[bytes, ...]:
    """The segment cut off after each byte of its identifier, and empty."""
    return tuple(segment(marker, identifier[:size]) for size in range(len(identifier) + 1))


TOLERATED: tuple[Sample, ...] = (
    *_png_kinds("empty", chunk),
    *_png_kinds("short", lambda kind: chunk(kind, b"\1")),
    *_png_kinds("malformed", lambda kind: chunk(kind, b"\xff" * 40)),
    *_png_kinds("wrong-checksum", lambda kind: _break_checksum(chunk(kind, b"x\0\0" + zlib.compress(bytes(9))))),
    *_png_kinds("unknown-compression", lambda kind: chunk(kind, b"x\0\7" + zlib.compress(bytes(9)))),
    stored(
        "png-text-bomb", lambda: _png_with(chunk(b"zTXt", b"C\0\0" + zlib.compress(bytes(64 * 2**20), 9))), tolerance=6
    ),
    stored("png-profile-bomb", lambda: _png_with(chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(64 * 2**20), 9)))),
    stored("png-long-profile", _long_profile, tolerance=45),
    stored("png-no-end", lambda: encoded(scene(), "PNG")[:-12], tolerance=6),
    stored("png-end-cut", lambda: encoded(scene(), "PNG")[:-6], tolerance=6),
    stored("png-pixels-wrong-checksum", lambda: _break_checksum(encoded(scene(), "PNG")[:-12]), tolerance=6),
    stored(
        "png-transparency-wrong-checksum", lambda: _png_with(_break_checksum(chunk(b"tRNS", bytes(6)))), tolerance=6
    ),
    clear("png-alpha-no-end", lambda: encoded(see_through(), "PNG")[:-12]),
    stored("jpeg-no-end", _without_end),
    stored("jpeg-no-end-marker-half", lambda: _jpeg()[:-1]),
    stored("jpeg-no-end-grey-subsampled", lambda: _without_end(subsampling=2)),
    stored("jpeg-no-end-progressive", lambda: _without_end(progressive=True)),
    stored("jpeg-rubbish-for-end", lambda: _without_end() + b"SEFH\0\0\1\2" * 40),
    stored("jpeg-marked-rubbish-for-end", lambda: _without_end() + b"\xff\xd8\xff\xc0\xff\xda\0\2" * 40),
    stored("jpeg-video-for-end", lambda: _without_end() + _video()),
    stored("jpeg-video-for-end-progressive", lambda: _without_end(progressive=True) + _video()),
    stored("jpeg-jpeg-for-end", lambda: _without_end() + encoded(scene().rotate(180), "JPEG")),
    stored(
        "jpeg-segments-short",
        lambda: with_segments(
            _jpeg(),
            *_short(0xE0, b"JFIF\0\1\1"),
            *_short(0xE1, b"Exif\0\0MM"),
            *_short(0xE2, b"ICC_PROFILE\0\1"),
            *_short(0xE2, b"MPF\0M"),
            *_short(0xED, b"Photoshop 3.0\x008BIM"),
            *_short(0xEE, b"Adobe\0d"),
        ),
    ),
    stored("jpeg-profile-half", lambda: with_segments(_jpeg(), segment(0xE2, b"ICC_PROFILE\0\2\2" + rgb_profile()))),
    stored("jpeg-damaged-exif", lambda: with_segments(_jpeg(), segment(0xE1, exif(6)[:18]))),
    stored("jpeg-exif-outside", lambda: with_segments(_jpeg(), segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff"))),
)
