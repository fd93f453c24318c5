"""Rare layouts of sound pictures. Each looks like the scene."""

from __future__ import annotations

import base64
import struct
import zlib
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
    split_scans,
)
from tests.pictures.minis import mini_avif, ten_bit_avif
from tests.pictures.profiles import rgb_profile
from tests.pictures.scene import (
    FIELDS,
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
# Primaries and transfer function by their numbers (ITU-T H.273).
_NUMBERS = ((1, 7), (4, 4), (5, 5), (8, 11), (9, 17), (11, 13), (22, 8))
_VERSIONS = (40, 56, 108, 124)
_X1R5G5B5 = (0x7C00, 0x3E0, 0x1F, 0)
_X4R4G4B4 = (0xF00, 0xF0, 0xF, 0)
_A4R4G4B4 = (0xF00, 0xF0, 0xF, 0xF000)
_R10G10B10A2 = (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)
_A8R8G8B8 = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
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


def _four_masks(masks: tuple[int, ...], bits: int) -> bytes:
    return bmp(SIZE, bits, pack_rows(_clear(), masks, bits), compression=6, masks=masks)


def _stated_alpha(version: int, mask: int = 0xFF000000) -> bytes:
    """32 bits in the usual order, and a mask for alpha that no compression requires."""
    pixels = pack_rows(_clear(), _A8R8G8B8, 32)
    return bmp(SIZE, 32, pixels, version=version, compression=0, masks=(*_A8R8G8B8[:3], mask))


def _deep_alpha(version: int, alpha: int, compression: int = 0) -> bytes:
    """32 bits whose fourth byte is `alpha` everywhere. Compression 3 says that it is alpha."""
    image = _small().copy()
    image.putalpha(alpha)
    masks = _A8R8G8B8 if compression else ()
    pixels = pack_rows(image, _A8R8G8B8, 32)
    return bmp(SIZE, 32, pixels, version=version, compression=compression, masks=masks)


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


def _indexed_bmp(bits: int, colours: int = 0, entries: int | None = None, version: int = 40) -> bytes:
    indices = _indexed()
    palette = palette_of(indices, entries or 1 << bits)
    return bmp(SIZE, bits, pack_indices(indices, bits), colours=colours, palette=palette, version=version)


def _literal_bmp(bits: int) -> bytes:
    """Run-length codes that repeat nothing, in odd and even lengths."""
    indices = _indexed()
    raw, width = indices.tobytes(), indices.width
    codes = b""
    for at in range(len(raw) - width, -1, -width):
        for start, stop in ((at, at + 29), (at + 29, at + 45), (at + 45, at + width)):
            part = raw[start:stop] if bits == 8 else _pair(raw[start:stop])
            codes += bytes((0, stop - start)) + part + bytes(len(part) % 2)
        codes += b"\0\0" if at else b"\0\1"
    return bmp(SIZE, bits, codes, compression=1 if bits == 8 else 2, palette=palette_of(indices, 1 << bits))


def _pair(indices: bytes) -> bytes:
    whole = indices + bytes(len(indices) % 2)
    return bytes(left << 4 | right for left, right in zip(whole[::2], whole[1::2], strict=True))


def _four_bit_runs() -> bytes:
    indices = _indexed()
    codes = _runs(indices).replace(b"\0\1", b"")
    doubled = bytes(byte * 17 if at % 2 and codes[at - 1] else byte for at, byte in enumerate(codes))
    return bmp(SIZE, 4, doubled + b"\0\1", compression=2, palette=palette_of(indices, 16))


def _os2_bmp(bits: int) -> bytes:
    """The oldest header, whose palette has three bytes per colour."""
    if bits == 24:
        return bmp(SIZE, 24, pack_rows(_small(), (0xFF0000, 0xFF00, 0xFF), 24), version=12)
    indices = _indexed()
    palette = palette_of(indices, 1 << bits)
    thirds = b"".join(palette[at : at + 3] for at in range(0, len(palette), 4))
    return bmp(SIZE, bits, pack_indices(indices, bits), version=12, palette=thirds)


def _beyond_its_palette() -> bytes:
    """The white field has an index that the palette of three colours does not reach."""
    indices = _indexed()
    white = indices.tobytes()[-1]
    order = [*(i for i in range(4) if i != white), white]
    moved = indices.remap_palette(order)
    pixels = pack_indices(moved, 8).replace(b"\3", b"\xff")
    return bmp(SIZE, 8, pixels, colours=3, palette=palette_of(moved, 3))


def _top_down(bits: int, masks: tuple[int, ...], compression: int) -> bytes:
    pixels = pack_rows(_opaque().transpose(Image.Transpose.FLIP_TOP_BOTTOM), masks, bits)
    stated = masks[:3] if compression else ()
    return bmp((SIZE[0], -SIZE[1]), bits, pixels, compression=compression, masks=stated)


def _profiled_bmp() -> bytes:
    profile = rgb_profile()
    pixels = pack_rows(_small(), (0xFF0000, 0xFF00, 0xFF), 32)
    offset = 124 + len(pixels)
    fields = struct.pack("<4sI", b"DEBM", 0)[:4] + bytes(48) + struct.pack("<IIII", 4, offset, len(profile), 0)
    return bmp(SIZE, 32, pixels, version=124, masks=(0, 0, 0, 0), fields=fields, behind=profile)


def _calibrated_bmp() -> bytes:
    """States the endpoints of Display P3 and a gamma of 1, which browsers ignore."""
    endpoints = [round(part * 2**30) for part in (0.680, 0.320, 0, 0.265, 0.690, 0.045, 0.150, 0.060, 0.790)]
    fields = struct.pack("<I9i3I", 0, *endpoints, *[2**16] * 3)
    pixels = pack_rows(_small(), (0xFF0000, 0xFF00, 0xFF), 32)
    return bmp(SIZE, 32, pixels, version=108, masks=(0, 0, 0, 0), fields=fields)


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


def _least_webp() -> bytes:
    """One transparent pixel in 28 bytes: a lossless header, then codes of one symbol each, 0."""
    codes = b"\x88\x88\x08"  # no transform, no cache, one group; five codes of 4 bits, from the lowest bit on
    body = b"\x2f\0\0\0\x10" + codes
    return b"RIFF" + struct.pack("<I", 20) + b"WEBPVP8L" + struct.pack("<I", len(body)) + body


def _animated_png(*, default_is_shown: bool = False, frames: int = 1, repetitions: int = 0, empty: int = 0) -> bytes:
    """One frame, in front of it a picture for programs that know no animations, and `empty` frames without data.

    With an impossible number of frames or repetitions, the scene is in the picture in front, as it is what counts.
    """
    whole, rows = header(*SIZE, 8, 2), _small().tobytes()
    frame = zlib.compress(b"".join(b"\0" + rows[at : at + 3 * SIZE[0]] for at in range(0, len(rows), 3 * SIZE[0])))
    grey = zlib.compress((b"\0" + b"\x80" * 3 * SIZE[0]) * SIZE[1])
    if not (0 < frames < 2**31 and repetitions < 2**31):
        frame, grey = grey, frame
    controls = [chunk(b"fcTL", struct.pack(">IIIIIHHBB", i, *SIZE, 0, 0, 1, 1, 0, 0)) for i in range(empty + 1)]
    start = whole + chunk(b"acTL", struct.pack(">II", frames, repetitions))
    if default_is_shown:
        return start + controls[0] + chunk(b"IDAT", frame) + chunk(b"IEND")
    data = chunk(b"fdAT", struct.pack(">I", empty + 1) + frame)
    return start + chunk(b"IDAT", grey) + b"".join(controls) + data + chunk(b"IEND")


def _colours_by_number(primaries: int, transfer: int) -> bytes:
    return insert_after_header(encoded(scene(), "PNG"), chunk(b"cICP", bytes((primaries, transfer, 0, 1))))


def _renamed_avif(primaries: int, transfer: int) -> bytes:
    data = encoded(scene(), "AVIF", quality=95, subsampling="4:4:4")
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def _two_associations(*, is_wide: bool = False, version: int = 0) -> bytes:
    """An AVIF with alpha whose items' properties are associated by two boxes of one version, one for each item.

    `is_wide`: each property has a number of two bytes. In version 1, each item has one of four.
    """
    data = encoded(see_through(), "AVIF", quality=95)
    at = data.index(b"ipma") - 4
    size, count = struct.unpack_from(">I", data, at)[0], struct.unpack_from(">I", data, at + 12)[0]
    first = 3 + data[at + 18]
    bodies = [data[at + 16 : at + 16 + first], data[at + 16 + first : at + size]]
    assert count == 2
    if is_wide:
        bodies = [body[:3] + b"".join(bytes((byte & 0x80, byte & 0x7F)) for byte in body[3:]) for body in bodies]
    head = struct.pack(">BxxBI", version, is_wide, 1) + bytes(2 * version)
    boxes = b"".join(box(b"ipma", head + body) for body in bodies)
    return _grow(data[:at] + boxes + data[at + size :], len(boxes) - size)


def _unknown_property() -> bytes:
    """The same with a property that no decoder knows, which is not essential."""
    data = _two_associations()
    at, unknown = data.index(b"ipco") - 4, box(b"zzzz", b"")
    end = at + struct.unpack_from(">I", data, at)[0]
    number, start = 1, at + 8
    while start < end:
        number, start = number + 1, start + struct.unpack_from(">I", data, start)[0]
    grown = bytearray(
        data[:at] + struct.pack(">I", end - at + len(unknown)) + data[at + 4 : end] + unknown + data[end:]
    )
    first = grown.index(b"ipma") - 4
    grown[first + 18] += 1
    grown.insert(first + struct.unpack_from(">I", grown, first)[0], number)
    struct.pack_into(">I", grown, first, struct.unpack_from(">I", grown, first)[0] + 1)
    return _grow(bytes(grown), len(unknown) + 1)


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


def _arithmetic_jpeg() -> bytes:
    """The tables that Pillow writes, then arithmetic codes for them, which it does not write."""
    plain = encoded(scene(24, 16), "JPEG", quality=60, subsampling=0)
    return plain[: plain.index(b"\xff\xc0")] + base64.b64decode(_ARITHMETIC)


LAYOUTS: tuple[Sample, ...] = (
    stored("jpeg-arithmetic", _arithmetic_jpeg),
    stored("jpeg-split-scans", lambda: split_scans(scene())),
    stored("avif-mini", lambda: mini_avif(scene()), tolerance=15),
    stored("avif-mini-turned", lambda: mini_avif(scene().transpose(Image.Transpose.ROTATE_90), 6), tolerance=15),
    stored("avif-mini-10-bits", ten_bit_avif, tolerance=15),
    clear("avif-mini-alpha", lambda: mini_avif(see_through(), is_wide=False), tolerance=15),
    stored("bmp-444", lambda: _masked(_X4R4G4B4, 16), tolerance=10),
    clear("bmp-4444", lambda: _masked(_A4R4G4B4, 16, _clear, 56)),
    stored("bmp-565", lambda: _masked((0xF800, 0x7E0, 0x1F, 0), 16), tolerance=10),
    stored("bmp-masks-swapped", lambda: _masked(_B8G8R8X8, 32), tolerance=6),
    odd("bmp-10-10-10-2", lambda: _masked(_R10G10B10A2, 32, _clear, 56), PNG),
    stored("bmp-10-10-10-2-opaque", lambda: _masked(_R10G10B10A2, 32, _opaque, 56), tolerance=6),
    *(stored(f"bmp-alpha-zero-{version}", partial(_deep_alpha, version, 0, 3), tolerance=6) for version in _VERSIONS),
    *(stored(f"bmp-alpha-unused-{version}", partial(_deep_alpha, version, 128), tolerance=6) for version in _VERSIONS),
    stored("bmp-2-bits", lambda: _indexed_bmp(2), PNG),
    stored("bmp-4-bits", lambda: _indexed_bmp(4), PNG),
    stored("bmp-colours-300", lambda: _indexed_bmp(8, 300, 300), PNG),
    odd("bmp-1-bit", lambda: encoded(grey_scene().convert("1"), "BMP"), PNG),
    stored("bmp-555", lambda: bmp(SIZE, 16, pack_rows(_small(), _X1R5G5B5, 16)), tolerance=4),
    stored("bmp-555-top-down", lambda: _top_down(16, _X1R5G5B5, 0), tolerance=10),
    stored("bmp-444-top-down", lambda: _top_down(16, _X4R4G4B4, 3), tolerance=10),
    *(clear(f"bmp-alpha-stated-{version}", partial(_stated_alpha, version)) for version in (108, 124)),
    clear("bmp-alpha-stated-oddly", partial(_stated_alpha, 124, 0x80000000)),
    stored("bmp-alpha-stated-too-early", partial(_stated_alpha, 56)),
    clear("bmp-4444-four-masks", lambda: _four_masks(_A4R4G4B4, 16)),
    clear("bmp-8888-four-masks", lambda: _four_masks(_A8R8G8B8, 32)),
    stored("bmp-os2-short", lambda: _indexed_bmp(8, version=16), PNG),
    stored("bmp-runs", _run_bmp, PNG),
    odd("bmp-runs-leap", lambda: _run_bmp(leaps=True), PNG),
    odd("bmp-runs-end-early", lambda: _run_bmp(ends_early=True), PNG),
    stored("bmp-runs-literal", lambda: _literal_bmp(8), PNG),
    stored("bmp-runs-4-bits", _four_bit_runs, PNG),
    stored("bmp-runs-4-bits-literal", lambda: _literal_bmp(4), PNG),
    stored("bmp-os2", lambda: _os2_bmp(8), PNG),
    stored("bmp-os2-24-bits", lambda: _os2_bmp(24), tolerance=6),
    clear("bmp-alpha", lambda: _masked(_A8R8G8B8, 32, _clear, 56)),
    Sample("bmp-beyond-its-palette", _beyond_its_palette, (PNG,), (*FIELDS[:3], (0, 0, 0))),
    stored("bmp-calibrated", _calibrated_bmp, tolerance=6),
    stored("bmp-profile", _profiled_bmp, tolerance=45),
    odd("png-2-bit-grey-key", lambda: _shallow_png(2), PNG),
    odd("png-4-bit-grey-key", lambda: _shallow_png(4), PNG),
    odd("gif-small-frame", _gif_frame, PNG),
    odd("webp-tiny", _tiny_webp, JPEG),
    odd("webp-28-bytes", _least_webp, PNG),
    stored("png-animation", lambda: _animated_png(default_is_shown=True)),
    stored("png-animation-behind-a-picture", _animated_png),
    stored("png-animation-of-many", lambda: _animated_png(frames=2**31 - 1, repetitions=2**31 - 1)),
    stored("png-animation-of-none", lambda: _animated_png(frames=0)),
    stored("png-animation-of-too-many", lambda: _animated_png(frames=2**31)),
    stored("png-animation-too-often", lambda: _animated_png(repetitions=2**31)),
    stored("png-animation-with-empty-frames", lambda: _animated_png(frames=3, empty=2)),
    odd("png-pq", lambda: _colours_by_number(9, 16), JPEG),
    odd("png-hlg", lambda: _colours_by_number(9, 18), JPEG),
    odd("png-p3", lambda: _colours_by_number(12, 13), JPEG),
    *(odd(f"png-cicp-{p}-{t}", partial(_colours_by_number, p, t), JPEG) for p, t in _NUMBERS),
    odd("avif-p3", lambda: _renamed_avif(12, 13), JPEG),
    odd("avif-bt2020", lambda: _renamed_avif(9, 13), JPEG),
    odd("avif-pq", lambda: _renamed_avif(9, 16), JPEG),
    odd("avif-hlg", lambda: _renamed_avif(9, 18), JPEG),
    clear("avif-two-associations", _two_associations, tolerance=15),
    clear("avif-two-wide-associations", lambda: _two_associations(is_wide=True), tolerance=15),
    clear("avif-two-associations-of-version-1", lambda: _two_associations(version=1), tolerance=15),
    clear("avif-unknown-property", _unknown_property, tolerance=15),
)
