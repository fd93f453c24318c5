"""Rare layouts of TIFF, and camera raw files, put together tag by tag."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from PIL import Image

from tests.pictures.makers import encoded, tiff
from tests.pictures.scene import (
    JPEG,
    PNG,
    UNREADABLE,
    UNSUPPORTED,
    Sample,
    clear,
    grey,
    grey_scene,
    odd,
    scene,
    see_through,
    stored,
)

SIZE = (61, 40)  # so that rows of 10 and 12 bits do not end with a whole byte


def _indexed(colours: int = 4) -> Image.Image:
    return _small().quantize(colours)


def _clear() -> Image.Image:
    return see_through().resize(SIZE, Image.Resampling.NEAREST)


def _small() -> Image.Image:
    return scene(*SIZE)


def _tiff(
    data: bytes, bits: Sequence[int], photometric: int, *more: tuple[int, int, Sequence[int]], order: str = "<"
) -> bytes:
    """One strip of the small scene's size; `more` replaces entries of the same tag."""
    usual: list[tuple[int, int, Sequence[int]]] = [
        (256, 3, [SIZE[0]]),
        (257, 3, [SIZE[1]]),
        (258, 3, bits),
        (259, 3, [1]),
        (262, 3, [photometric]),
        (273, 4, [8]),
        (277, 3, [len(bits)]),
        (278, 3, [SIZE[1]]),
        (279, 4, [len(data)]),
    ]
    replaced = {entry[0] for entry in more}
    return tiff(order, sorted([*(entry for entry in usual if entry[0] not in replaced), *more]), data)


def _widen(image: Image.Image, code: str, scale: float = 256, order: str = "<") -> bytes:
    raw = image.tobytes()
    whole = code in "HIQ"
    return struct.pack(f"{order}{len(raw)}{code}", *(round(v * scale) if whole else v * scale for v in raw))


def _pack_bits(image: Image.Image, bits: int) -> bytes:
    """Samples of so many bits, each row padded to whole bytes."""
    raw, across, packed = image.tobytes(), image.width * len(image.getbands()), b""
    for at in range(0, len(raw), across):
        value = 0
        for sample in raw[at : at + across]:
            value = value << bits | sample * ((1 << bits) - 1) // 255
        spare = -(across * bits) % 8
        packed += (value << spare).to_bytes(-(-across * bits // 8), "big")
    return packed


def _planes(image: Image.Image) -> Image.Image:
    """One plane below the other."""
    whole = Image.new("L", (image.width, image.height * len(image.getbands())))
    for i, band in enumerate(image.split()):
        whole.paste(band, (0, i * image.height))
    return whole


def _planar_tiff(bits: int) -> bytes:
    planes = _planes(_small())
    data = _widen(planes, "H") if bits == 16 else _pack_bits(planes, bits)
    size = len(data) // 3
    offsets, lengths = [8, 8 + size, 8 + 2 * size], [size] * 3
    more = [(284, 3, [2]), (273, 4, offsets), (279, 4, lengths)]
    base = [(256, 3, [SIZE[0]]), (257, 3, [SIZE[1]]), (258, 3, [bits] * 3), (259, 3, [1]), (262, 3, [2])]
    return tiff("<", sorted([*base, *more, (277, 3, [3]), (278, 3, [SIZE[1]])]), data)


def _inverted() -> Image.Image:
    return grey_scene().resize(SIZE, Image.Resampling.NEAREST).point(lambda value: 255 - value)


def _small_grey() -> Image.Image:
    return grey_scene().resize(SIZE, Image.Resampling.NEAREST)


def _short_map_tiff() -> bytes:
    indices = _indexed()
    palette = bytes(indices.getpalette() or ()).ljust(768, b"\0")
    return _tiff(indices.tobytes(), [8], 3, (320, 3, [palette[3 * i + c] for c in range(3) for i in range(256)]))


def _with_nan() -> bytes:
    data = bytearray(_widen(_small_grey(), "f", 1 / 255))
    data[:8] = struct.pack("<ff", float("nan"), float("inf"))
    return _tiff(bytes(data), [32], 1, (339, 3, [3]))


def _big_endian_big_tiff() -> bytes:
    """Of two strips, whose places and lengths are outside the directory. Its runs repeat nothing (PackBits)."""
    raw = _small().tobytes()
    data = b"".join(bytes((60,)) + raw[at : at + 61] for at in range(0, len(raw), 61))
    half, behind = len(data) // 2, 16 + len(data)
    entries = [(256, 3, SIZE[0]), (257, 3, SIZE[1]), (258, 3, 8), (259, 3, 32_773), (262, 3, 2), (273, 16, behind)]
    entries += [(277, 3, 3), (278, 3, SIZE[1] // 2), (279, 16, behind + 16)]
    table = b""
    for tag, kind, value in entries:
        count = {258: 3, 273: 2, 279: 2}.get(tag, 1)
        packed = struct.pack(">Q", value) if kind == 16 else struct.pack(f">{count}H", *[value] * count)
        table += struct.pack(">HHQ", tag, kind, count) + packed.ljust(8, b"\0")
    body = data + struct.pack(">4Q", 16, 16 + half, half, half)
    start = struct.pack(">Q", 16 + len(body))
    return b"MM\0+\0\x08\0\0" + start + body + struct.pack(">Q", len(entries)) + table + bytes(8)


def _raw(*more: tuple[int, int, Sequence[int]]) -> bytes:
    return _tiff(_small().tobytes(), [8, 8, 8], 2, *more)


def _cmyk_alpha() -> bytes:
    ink = _small().convert("CMYK")
    data = b"".join(bytes((*ink.getpixel(xy), _clear().getpixel(xy)[3])) for xy in _places())  # type: ignore[misc,index]
    return _tiff(data, [8] * 5, 5, (338, 3, [2]))


def _grey_alpha() -> bytes:
    pairs = Image.merge("LA", (_small_grey(), _clear().getchannel("A")))
    return _tiff(_widen(pairs, "H"), [16, 16], 1, (338, 3, [2]))


def _rubbish_behind_the_last_row() -> bytes:
    packed = zlib.compress(_pack_bits(_small(), 12))
    strips = [(273, 4, [8, 8 + len(packed)]), (279, 4, [len(packed), 9])]
    return _tiff(packed + b"\xff" * 9, [12] * 3, 2, (259, 3, [8]), *strips)


def _with_predictor(compression: str) -> bytes:
    """Each sample as its difference from the one on its left."""
    data = encoded(_small(), "TIFF", compression=compression, tiffinfo={317: 2})
    assert data != encoded(_small(), "TIFF", compression=compression)
    return data


def _places() -> list[tuple[int, int]]:
    return [(x, y) for y in range(SIZE[1]) for x in range(SIZE[0])]


TIFFS: tuple[Sample, ...] = (
    grey("tiff-16-bit-inverted", lambda: _tiff(_widen(_inverted(), "H"), [16], 0)),
    grey("tiff-16-bit-inverted-big-endian", lambda: _tiff(_widen(_inverted(), "H", order=">"), [16], 0, order=">")),
    stored("tiff-12-bit-planar", lambda: _planar_tiff(12), tolerance=6),
    stored("tiff-16-bit-planar", lambda: _planar_tiff(16), tolerance=6),
    stored("tiff-8-bit-colour-map", _short_map_tiff, PNG),
    grey("tiff-32-bit-unsigned", lambda: _tiff(_widen(_small_grey(), "I", 0x01010101), [32], 1)),
    grey("tiff-not-a-number", _with_nan),
    grey("tiff-float64", lambda: _tiff(_widen(_small_grey(), "d", 1 / 255), [64], 1, (339, 3, [3]))),
    grey(
        "tiff-float64-big-endian",
        lambda: _tiff(_widen(_small_grey(), "d", 1 / 255, ">"), [64], 1, (339, 3, [3]), order=">"),
    ),
    stored(
        "tiff-float-rgb", lambda: _tiff(_widen(_small(), "f", 1 / 255), [32] * 3, 2, (339, 3, [3] * 3)), tolerance=6
    ),
    stored("tiff-10-bit-rgb", lambda: _tiff(_pack_bits(_small(), 10), [10] * 3, 2), tolerance=6),
    stored("tiff-12-bit-rgb", lambda: _tiff(_pack_bits(_small(), 12), [12] * 3, 2), tolerance=6),
    stored("tiff-32-bit-rgb", lambda: _tiff(_widen(_small(), "I", 2**24), [32] * 3, 2), tolerance=6),
    stored(
        "tiff-32-bit-rgb-big-endian",
        lambda: _tiff(_widen(_small(), "I", 2**24, ">"), [32] * 3, 2, order=">"),
        tolerance=6,
    ),
    stored(
        "tiff-12-bit-rgb-deflated",
        lambda: _tiff(zlib.compress(_pack_bits(_small(), 12)), [12] * 3, 2, (259, 3, [8])),
        tolerance=6,
    ),
    stored(
        "tiff-12-bit-rgb-old-deflated",
        lambda: _tiff(zlib.compress(_pack_bits(_small(), 12)), [12] * 3, 2, (259, 3, [32_946])),
        tolerance=6,
    ),
    stored("tiff-12-bit-rgb-rubbish-behind", _rubbish_behind_the_last_row, tolerance=6),
    stored("tiff-12-bit-cmyk", lambda: _tiff(_pack_bits(_small().convert("CMYK"), 12), [12] * 4, 5), tolerance=6),
    clear("tiff-cmyk-alpha", _cmyk_alpha, tolerance=20),
    clear("tiff-premultiplied-alpha", lambda: _tiff(_clear().convert("RGBa").tobytes(), [8] * 4, 2, (338, 3, [1]))),
    stored("tiff-fourth-sample-unspecified", lambda: _tiff(_clear().tobytes(), [8] * 4, 2, (338, 3, [0])), tolerance=6),
    odd("tiff-16-bit-grey-alpha", _grey_alpha, PNG),
    stored("tiff-big-big-endian", _big_endian_big_tiff, tolerance=6),
    stored("tiff-lzw-predictor", lambda: _with_predictor("tiff_lzw"), tolerance=6),
    stored("tiff-deflate-predictor", lambda: _with_predictor("tiff_adobe_deflate"), tolerance=6),
    odd("tiff-12-bit-last-byte-missing", lambda: _tiff(_pack_bits(_small(), 12)[:-1], [12] * 3, 2), UNREADABLE),
    odd("tiff-12-bit-predictor", lambda: _tiff(_pack_bits(_small(), 12), [12] * 3, 2, (317, 3, [2])), UNSUPPORTED),
    odd("tiff-webp", lambda: _raw((259, 3, [50_001])), UNSUPPORTED),
    odd("tiff-word-aligned", lambda: _raw((259, 3, [32_771])), UNSUPPORTED),
    odd("tiff-complex", lambda: _tiff(bytes(8 * 2400), [64], 1, (339, 3, [6])), UNSUPPORTED),
    odd("tiff-dng", lambda: _raw((50_706, 1, [1, 4, 0, 0])), UNSUPPORTED),
    odd("tiff-raw-thumbnail", lambda: _raw((254, 4, [1]), (330, 4, [8])), UNSUPPORTED),
    stored("tiff-sub-directories", lambda: _raw((330, 4, [8])), tolerance=6),
    odd("tiff-raw-cfa", lambda: _tiff(_widen(_small_grey(), "H"), [16], 32_803), UNSUPPORTED),
    odd("tiff-reduced-only", lambda: _raw((254, 4, [1])), JPEG),
)
