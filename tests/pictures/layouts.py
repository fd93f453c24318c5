"""Rare layouts of sound pictures. Each looks like the scene."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from functools import partial

from PIL import Image

from tests.pictures.bitmaps import bmp, pack_indices, pack_rows, palette_of
from tests.pictures.makers import (
    box,
    chunk,
    encoded,
    header,
    insert_after_header,
    png,
)
from tests.pictures.profiles import rgb_profile
from tests.pictures.scene import (
    JPEG,
    PNG,
    Sample,
    clear,
    grey_scene,
    odd,
    scene,
    see_through,
    stored,
)

SIZE = (60, 40)
_ARITHMETIC = (
    "/8kAEQgAEAAYAwERAAIRAQMRAf/MAAoAEBAFARARBf/aAAwDAQACEQMRAD8A/uZX/MLEF+jz9OwyvwAp1sE7VWeReW2HWsQ+gJwiM0pHWGuVnfK5"
    "Ld8Y/wDvCkdF9kbrn0Mu5ND/2Q=="
)
_VERSIONS = (40, 56, 108, 124)
_X4R4G4B4 = (0xF00, 0xF0, 0xF, 0)
_A4R4G4B4 = (0xF00, 0xF0, 0xF, 0xF000)
_R10G10B10A2 = (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)
_B8G8R8X8 = (0xFF, 0xFF00, 0xFF0000, 0)


def _small() -> Image.Image:
    return scene(*SIZE)


def _opaque() -> Image.Image:
    return _small().convert("RGBA")


def _clear() -> Image.Image:
    return see_through().resize(SIZE, Image.Resampling.NEAREST)


def _indexed(colours: int = 4) -> Image.Image:
    return _small().quantize(colours)


def _masked(masks: tuple[int, ...], bits: int, image: Callable[[], Image.Image] = _opaque, version: int = 40) -> bytes:
    pixels = pack_rows(image(), masks, bits)
    used = masks if version > 52 else masks[:3]
    return bmp(SIZE, bits, pixels, version=version, compression=3, masks=used)


def _deep_alpha(version: int, alpha: int) -> bytes:
    """32 bits whose fourth byte is `alpha` everywhere."""
    image = _small().copy()
    image.putalpha(alpha)
    return bmp(SIZE, 32, pack_rows(image, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), 32), version=version)


def _runs(indices: Image.Image, *, ends_early: bool = False, leaps: bool = False) -> bytes:
    """Run-length codes of 8 bits, row by row from below."""
    raw, (width, height) = indices.tobytes(), indices.size
    codes = b""
    for y in reversed(range(height)):
        half = width // 2
        row = raw[y * width : (y + 1) * width]
        if leaps and y < height // 2:
            codes += bytes((half, row[0], 0, 2, width - half, 0)) + (b"" if y == 0 else b"\0\0")
        elif ends_early and y < height // 2:
            break
        else:
            codes += bytes((half, row[0], width - half, row[-1])) + (b"" if y == 0 else b"\0\0")
    return codes + b"\0\1"


def _run_bmp(**options: bool) -> bytes:
    indices = _indexed()
    return bmp(SIZE, 8, _runs(indices, **options), compression=1, palette=palette_of(indices, 256))


def _indexed_bmp(bits: int, colours: int = 0, entries: int | None = None) -> bytes:
    indices = _indexed()
    palette = palette_of(indices, entries or 1 << bits)
    return bmp(SIZE, bits, pack_indices(indices, bits), colours=colours, palette=palette)


def _profiled_bmp() -> bytes:
    profile = rgb_profile()
    pixels = pack_rows(_small(), (0xFF0000, 0xFF00, 0xFF), 32)
    offset = 124 + len(pixels)
    fields = struct.pack("<4sI", b"DEBM", 0)[:4] + bytes(48) + struct.pack("<IIII", 4, offset, len(profile), 0)
    return bmp(SIZE, 32, pixels, version=124, masks=(0, 0, 0, 0), fields=fields, behind=profile)


def _small_grey() -> Image.Image:
    return grey_scene().resize(SIZE, Image.Resampling.NEAREST)


def _shallow_png(depth: int) -> bytes:
    """Grey of few bits, whose white is transparent."""
    most = (1 << depth) - 1
    rows, image = [], _small_grey()
    for y in range(image.height):
        row = bytes(round(int(image.getpixel((x, y))) * most / 255) for x in range(image.width))  # type: ignore[arg-type]
        row += bytes(-len(row) % (8 // depth))
        rows.append(
            bytes(
                sum(value << depth * (8 // depth - 1 - i) for i, value in enumerate(row[at : at + 8 // depth]))
                for at in range(0, len(row), 8 // depth)
            )
        )
    return png(header(*SIZE, depth, 0), rows, chunk(b"tRNS", struct.pack(">H", most)))


def _gif_frame() -> bytes:
    """The scene's lower right field is left free by a frame of the other three."""
    return _two_frames()


def _two_frames() -> bytes:
    field = Image.new("P", (SIZE[0], SIZE[1] // 2))
    upper = _small().crop((0, 0, SIZE[0], SIZE[1] // 2)).quantize(2)
    field.paste(upper, (0, 0))
    field.putpalette(upper.getpalette() or [])
    data = bytearray(encoded(field, "GIF"))
    struct.pack_into("<HH", data, 6, *SIZE)
    return bytes(data)


def _tiny_webp() -> bytes:
    data = encoded(Image.new("RGB", (1, 1), (230, 30, 30)), "WEBP", lossless=True)
    assert len(data) < 40
    return data


def _colours_by_number(primaries: int, transfer: int) -> bytes:
    return insert_after_header(encoded(scene(), "PNG"), chunk(b"cICP", bytes((primaries, transfer, 0, 1))))


def _renamed_avif(primaries: int, transfer: int) -> bytes:
    data = encoded(scene(), "AVIF", quality=95, subsampling="4:4:4")
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def _two_associations() -> bytes:
    """An AVIF with alpha whose items' properties are associated by two boxes of one version, one for each item."""
    data = encoded(see_through(), "AVIF", quality=95)
    at = data.index(b"ipma") - 4
    size, count = struct.unpack_from(">I", data, at)[0], struct.unpack_from(">I", data, at + 12)[0]
    first = 3 + data[at + 18]
    bodies = [data[at + 16 : at + 16 + first], data[at + 16 + first : at + size]]
    assert count == 2
    boxes = b"".join(box(b"ipma", bytes(4) + struct.pack(">I", 1) + body) for body in bodies)
    return _grow(data[:at] + boxes + data[at + size :], len(boxes) - size)


def _grow(data: bytes, more: int) -> bytes:
    """Corrects the sizes of the boxes around, and the places of the items, for so many bytes more."""
    grown = bytearray(data)
    for kind in (b"meta", b"iprp"):
        at = grown.index(kind) - 4
        struct.pack_into(">I", grown, at, struct.unpack_from(">I", grown, at)[0] + more)
    at = grown.index(b"iloc")
    for item in range(struct.unpack_from(">H", grown, at + 10)[0]):
        place = at + 12 + 14 * item + 6
        struct.pack_into(">I", grown, place, struct.unpack_from(">I", grown, place)[0] + more)
    return bytes(grown)


def _mini_avif(orientation: int) -> bytes:
    """The pixels of what Pillow writes, behind a `mini` box."""
    upright = scene() if orientation == 1 else scene().transpose(Image.Transpose.ROTATE_90)
    data = encoded(upright, "AVIF", quality=95)
    at, payload = data.index(b"av1C"), data[data.index(b"mdat") + 4 :]
    configuration = data[at + 4 : at - 4 + struct.unpack_from(">I", data, at - 4)[0]]
    fields = [(0, 4), (1, 1), (0, 6), (1, 2), (orientation - 1, 3), (1, 1), (upright.width - 1, 15)]
    fields += [
        (upright.height - 1, 15),
        (0, 2),
        (0, 1),
        (0, 1),
        (1, 1),
        (len(configuration), 3),
        (len(payload) - 1, 28),
    ]
    value = bits = 0
    for number, size in fields:
        value, bits = value << size | number, bits + size
    head = (value << -bits % 8).to_bytes(-(-bits // 8), "big")
    return box(b"ftyp", b"mif3avif") + box(b"mini", head + configuration + payload)


def _arithmetic_jpeg() -> bytes:
    """The tables that Pillow writes, then arithmetic codes for them, which it does not write."""
    plain = encoded(scene(24, 16), "JPEG", quality=60, subsampling=0)
    return plain[: plain.index(b"\xff\xc0")] + base64.b64decode(_ARITHMETIC)


LAYOUTS: tuple[Sample, ...] = (
    stored("jpeg-arithmetic", _arithmetic_jpeg),
    stored("avif-mini", lambda: _mini_avif(1), tolerance=15),
    stored("avif-mini-turned", lambda: _mini_avif(6), tolerance=15),
    stored("bmp-444", lambda: _masked(_X4R4G4B4, 16), tolerance=10),
    clear("bmp-4444", lambda: _masked(_A4R4G4B4, 16, _clear, 56)),
    stored("bmp-565", lambda: _masked((0xF800, 0x7E0, 0x1F, 0), 16), tolerance=10),
    stored("bmp-masks-swapped", lambda: _masked(_B8G8R8X8, 32), tolerance=6),
    odd("bmp-10-10-10-2", lambda: _masked(_R10G10B10A2, 32, _clear, 56), PNG),
    stored("bmp-10-10-10-2-opaque", lambda: _masked(_R10G10B10A2, 32, _opaque, 56), tolerance=6),
    *(stored(f"bmp-alpha-zero-{version}", partial(_deep_alpha, version, 0), tolerance=6) for version in _VERSIONS),
    stored("bmp-alpha-unused", lambda: _deep_alpha(40, 128), tolerance=6),
    stored("bmp-2-bits", lambda: _indexed_bmp(2), PNG),
    stored("bmp-colours-300", lambda: _indexed_bmp(8, 300, 300), PNG),
    stored("bmp-runs", _run_bmp, PNG),
    odd("bmp-runs-leap", lambda: _run_bmp(leaps=True), PNG),
    odd("bmp-runs-end-early", lambda: _run_bmp(ends_early=True), PNG),
    stored("bmp-profile", _profiled_bmp, tolerance=45),
    odd("png-2-bit-grey-key", lambda: _shallow_png(2), PNG),
    odd("png-4-bit-grey-key", lambda: _shallow_png(4), PNG),
    odd("gif-small-frame", _gif_frame, PNG),
    odd("webp-tiny", _tiny_webp, JPEG),
    odd("png-pq", lambda: _colours_by_number(9, 16), JPEG),
    odd("png-hlg", lambda: _colours_by_number(9, 18), JPEG),
    odd("png-p3", lambda: _colours_by_number(12, 13), JPEG),
    odd("avif-p3", lambda: _renamed_avif(12, 13), JPEG),
    odd("avif-bt2020", lambda: _renamed_avif(9, 13), JPEG),
    odd("avif-pq", lambda: _renamed_avif(9, 16), JPEG),
    odd("avif-hlg", lambda: _renamed_avif(9, 18), JPEG),
    clear("avif-two-associations", _two_associations, tolerance=15),
)
