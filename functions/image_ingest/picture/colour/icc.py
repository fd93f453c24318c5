"""ICC profiles built from numbers (ICC.1:2001-04, version 2), for files that state their colours without a profile."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

MAX_PROFILE_BYTES = 8 * 2**20

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]

SRGB_COLORANTS: tuple[Vector, ...] = ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
_STEPS = 1024


def tabulate(linearize: Callable[[float], float]) -> list[int]:
    """A curve for `build_profile`, from a function of values from 0 to 1."""
    return [round(65_535 * min(1.0, max(0.0, linearize(i / (_STEPS - 1))))) for i in range(_STEPS)]


def linearize_srgb(value: float) -> float:
    """IEC 61966-2-1."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


SRGB_CURVE = tabulate(linearize_srgb)
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def build_profile(colorants: Sequence[Vector], curve: float | Sequence[int]) -> bytes:
    """A matrix profile for RGB. `colorants`: XYZ of red, green and blue, adapted to D50.

    `curve`: a gamma, or the linear light, of 65535, of evenly spaced values.
    """
    tags = {f"{name}XYZ": _pack_xyz(colorant) for name, colorant in zip("rgb", colorants, strict=True)}
    tags |= {f"{name}TRC": _pack_curve(curve) for name in "rgb"}
    return _pack_profile(b"RGB ", tags)


def build_grey_profile(curve: float | Sequence[int]) -> bytes:
    """A profile for grey."""
    return _pack_profile(b"GRAY", {"kTRC": _pack_curve(curve)})


def adapt_colorants(chromaticity: Sequence[float]) -> list[Vector]:
    """XYZ of red, green and blue, adapted to D50, from x and y of white, red, green and blue (as PNG's cHRM has them).

    Raises ZeroDivisionError for impossible values.
    """
    pairs = zip(chromaticity[::2], chromaticity[1::2], strict=True)
    white, *primaries = ((x / y, 1.0, (1 - x - y) / y) for x, y in pairs)
    amounts = _multiply(_invert(_transpose(primaries)), white)
    adaptation = _adapt(white)
    return [
        _multiply(adaptation, [part * amount for part in primary])
        for primary, amount in zip(primaries, amounts, strict=True)
    ]


def combine(source: Sequence[Vector], target: Sequence[Vector]) -> Matrix:
    """From the RGB of some colorants to the RGB of others."""
    back = _invert(_transpose(target))
    return _transpose([_multiply(back, colorant) for colorant in source])


def _adapt(white: Vector) -> Matrix:
    """From this white to D50 (Bradford)."""
    cones = zip(_BRADFORD, _multiply(_BRADFORD, _D50), _multiply(_BRADFORD, white), strict=True)
    scaled = [[part * target / source for part in row] for row, target, source in cones]
    back = _invert(_BRADFORD)
    return _transpose([_multiply(back, column) for column in _transpose(scaled)])


def _transpose(rows: Sequence[Sequence[float]]) -> Matrix:
    first, second, third = zip(*rows, strict=True)
    return first, second, third


def _multiply(matrix: Matrix, vector: Sequence[float]) -> Vector:
    first, second, third = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return first, second, third


def _invert(m: Matrix) -> Matrix:
    a, b, c = m
    rows = [_cross(b, c), _cross(c, a), _cross(a, b)]
    determinant = sum(x * y for x, y in zip(a, rows[0], strict=True))
    return _transpose([[value / determinant for value in row] for row in rows])


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _pack_xyz(value: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(part * 65_536) for part in value))


def _pack_curve(curve: float | Sequence[int]) -> bytes:
    if isinstance(curve, float):
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, min(65_535, round(curve * 256)))
    return b"curv\0\0\0\0" + struct.pack(f">I{len(curve)}H", len(curve), *curve)


def _pack_profile(space: bytes, tags: dict[str, bytes]) -> bytes:
    tags = {
        "desc": b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + bytes(78),
        "cprt": b"text\0\0\0\0\0",
        "wtpt": _pack_xyz(_D50),
    } | tags
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for tag, value in tags.items():
        table += tag.encode() + struct.pack(">II", offset + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s4x", offset + len(body), 0x02400000, b"mntr", space, b"XYZ ", b"acsp")
    head += bytes(24) + struct.pack(">3i", *(round(part * 65_536) for part in _D50)) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + body
