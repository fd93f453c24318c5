"""ICC profiles made from numbers (ICC.1:2001-04, version 2): just enough of each kind to test colour with."""

from __future__ import annotations

import struct

D50 = (0.9642, 1.0, 0.8249)
# Colorants adapted to D50, as the profiles in the wild have them.
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))


def rgb_profile(colorants: tuple[tuple[float, float, float], ...] = DISPLAY_P3, gamma: float = 2.2) -> bytes:
    """A matrix profile for RGB."""
    tags = {f"{name}XYZ": _xyz(colorant) for name, colorant in zip("rgb", colorants, strict=True)}
    return _profile(b"RGB ", b"XYZ ", tags | {f"{name}TRC": _gamma(gamma) for name in "rgb"})


def curved_profile(colorants: tuple[tuple[float, float, float], ...] = SRGB, steps: int = 1024) -> bytes:
    """sRGB or Display P3 as many cameras and programs state it: with a table for its curve."""
    levels = [level / (steps - 1) for level in range(steps)]
    light = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
    curve = b"curv\0\0\0\0" + struct.pack(f">I{steps}H", steps, *(round(65_535 * value) for value in light))
    tags = {f"{name}XYZ": _xyz(colorant) for name, colorant in zip("rgb", colorants, strict=True)}
    return _profile(b"RGB ", b"XYZ ", tags | {f"{name}TRC": curve for name in "rgb"})


def grey_profile(gamma: float = 1.8) -> bytes:
    """A grey profile that is not sRGB's curve."""
    return _profile(b"GRAY", b"XYZ ", {"kTRC": _gamma(gamma)})


def cmyk_profile(black: int = 30) -> bytes:
    """A small table for CMYK; full ink has the lightness `black` of 255, so black-point compensation shows."""
    corners = []
    for ink in range(16):
        cyan, magenta, yellow, key = ink >> 3 & 1, ink >> 2 & 1, ink >> 1 & 1, ink & 1
        light = 255 - (255 - black) * (0.45 * cyan + 0.5 * magenta + 0.15 * yellow)
        lightness = black if key else max(black, round(light))
        tint = 0 if key else 50
        corners.append((lightness, 128 + tint * (magenta - cyan), 128 + tint * (yellow - cyan) // 2))
    identity = (1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut = b"mft1" + struct.pack(">IBBBB9i", 0, 4, 3, 2, 0, *(value << 16 for value in identity))
    lut += bytes(range(256)) * 4 + bytes(value for corner in corners for value in corner) + bytes(range(256)) * 3
    return _profile(b"CMYK", b"Lab ", {"A2B0": lut, "A2B1": lut}, kind=b"scnr")


def _xyz(value: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(part * 65_536) for part in value))


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(value * 256))


def _profile(space: bytes, connection: bytes, tags: dict[str, bytes], kind: bytes = b"mntr") -> bytes:
    name = b"made by a test\0"
    tags = {
        "desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78),
        "cprt": b"text\0\0\0\0public domain\0",
        "wtpt": _xyz(D50),
    } | tags
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for tag, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        table += tag.encode() + struct.pack(">II", offset + len(body), len(value))
        body += padded
    size = offset + len(body)
    head = struct.pack(
        ">I4sI4s4s4s12s4s4s", size, b"\0\0\0\0", 0x02400000, kind, space, connection, bytes(12), b"acsp", b"\0\0\0\0"
    )
    head += bytes(24) + struct.pack(">3i", *(round(part * 65_536) for part in D50)) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + body
