"""Files that no encoder at hand writes, put together byte by byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))

# How a camera that was held in each Exif orientation stores an upright picture.
HOW_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encoded(image: Image.Image, encoder: str, **options: Any) -> bytes:
    """What Pillow's encoder writes."""
    buffer = BytesIO()
    image.save(buffer, encoder, **options)
    return buffer.getvalue()


def exif(orientation: int, order: str = ">") -> bytes:
    """An Exif block that says only which way up."""
    head = b"MM\0*" if order == ">" else b"II*\0"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + head + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int, depth: int, colour: int, interlaced: int = 0) -> bytes:
    """A PNG's signature and IHDR."""
    return PNG_SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def png(start: bytes, rows: Iterable[bytes], *between: bytes) -> bytes:
    """A PNG of unfiltered rows."""
    packed = zlib.compress(b"".join(b"\0" + row for row in rows), 6)
    return start + b"".join(between) + chunk(b"IDAT", packed) + chunk(b"IEND")


def insert_after_header(png_bytes: bytes, *chunks: bytes) -> bytes:
    """The PNG with more chunks right behind IHDR."""
    return png_bytes[:33] + b"".join(chunks) + png_bytes[33:]


def deep_png(image: Image.Image, *between: bytes) -> bytes:
    """A PNG of 16 bits a channel."""
    colour = {"L": 0, "RGB": 2, "RGBA": 6}[image.mode]
    size = image.width * len(image.getbands())
    raw = image.tobytes()
    rows = (bytes(v for b in raw[y * size : y * size + size] for v in (b, b)) for y in range(image.height))
    return png(header(*image.size, 16, colour), rows, *between)


def interlaced_png(image: Image.Image, missing: int = 0) -> bytes:
    """An RGB PNG in Adam7, which lacks so many of its last rows."""
    rows = []
    for left, top, across, down in _ADAM7:
        for y in range(top, image.height, down):
            row = image.crop((0, y, image.width, y + 1)).tobytes()
            rows.append(b"".join(row[3 * x : 3 * x + 3] for x in range(left, image.width, across)))
    rows = [row for row in rows if row]
    return png(header(*image.size, 8, 2, 1), rows[: len(rows) - missing])


def tiff(order: str, entries: Sequence[tuple[int, int, Sequence[int]]], data: bytes, following: int = 0) -> bytes:
    """A TIFF of one directory: (tag, type 3 or 4, values); `data` begins at byte 8, offsets are the caller's."""
    start, directory, extra = 8 + len(data), b"", b""
    outside = start + 2 + 12 * len(entries) + 4
    for tag, kind, values in entries:
        packed = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            pointer, extra = struct.pack(order + "I", outside + len(extra)), extra + packed
        else:
            pointer = packed.ljust(4, b"\0")
        directory += struct.pack(order + "HHI", tag, kind, len(values)) + pointer
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return (
        head + data + struct.pack(order + "H", len(entries)) + directory + struct.pack(order + "I", following) + extra
    )


def plain_tiff(image: Image.Image, order: str = "<", orientation: int = 1, following: int = 0) -> bytes:
    """An uncompressed RGB TIFF in strips of 16 rows."""
    raw, row = image.tobytes(), 3 * image.width
    strips = [raw[i : i + 16 * row] for i in range(0, len(raw), 16 * row)]
    offsets = [8 + sum(map(len, strips[:i])) for i in range(len(strips))]
    entries = _tiff_basics(image, orientation)
    entries += [(273, 4, offsets), (278, 3, [16]), (279, 4, [len(strip) for strip in strips])]
    return tiff(order, sorted(entries), raw, following)


def tiled_tiff(image: Image.Image, side: int = 16) -> bytes:
    """An uncompressed RGB TIFF in square tiles."""
    corners = [(x, y) for y in range(0, image.height, side) for x in range(0, image.width, side)]
    tiles = [image.crop((x, y, x + side, y + side)).tobytes() for x, y in corners]
    offsets = [8 + i * 3 * side * side for i in range(len(tiles))]
    entries = _tiff_basics(image, 1)
    entries += [(322, 3, [side]), (323, 3, [side]), (324, 4, offsets), (325, 4, [3 * side * side] * len(tiles))]
    return tiff("<", sorted(entries), b"".join(tiles))


def _tiff_basics(image: Image.Image, orientation: int) -> list[tuple[int, int, Sequence[int]]]:
    sizes: list[tuple[int, int, Sequence[int]]] = [(256, 3, [image.width]), (257, 3, [image.height])]
    return [*sizes, (258, 3, [8, 8, 8]), (259, 3, [1]), (262, 3, [2]), (274, 3, [orientation]), (277, 3, [3])]


def ycck_jpeg(image: Image.Image) -> bytes:
    """A four-colour JPEG that stores CMY as YCbCr, as Photoshop writes it (Adobe marker, transform 2)."""
    cyan, magenta, yellow, black = image.convert("CMYK").split()
    luma = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr").split()
    planes = [band.point(lambda value: 255 - value) for band in luma]
    data = encoded(Image.merge("CMYK", (*planes, black)), "JPEG", quality=95, subsampling=0)
    adobe = data.index(b"Adobe")
    return data[: adobe + 11] + b"\2" + data[adobe + 12 :]


def segment(marker: int, body: bytes) -> bytes:
    """One JPEG marker segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """The JPEG with more segments right behind its start."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def resized_frame(jpeg: bytes, width: int, height: int) -> bytes:
    """The JPEG with another size written into its frame header."""
    frame = max(jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2"))
    return jpeg[: frame + 5] + struct.pack(">HH", height, width) + jpeg[frame + 9 :]


def split_scans(image: Image.Image) -> bytes:
    """A JPEG of three sequential scans, one for each component."""
    files = [encoded(plane, "JPEG", quality=90) for plane in image.convert("YCbCr").split()]
    frame, scan = files[0].index(b"\xff\xc0"), files[0].index(b"\xff\xda")
    components = b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    whole = segment(0xC0, struct.pack(">BHHB", 8, image.height, image.width, 3) + components)
    scans = [segment(0xDA, bytes((1, i, 0, 0, 63, 0))) + file[scan + 10 : -2] for i, file in enumerate(files, 1)]
    return files[0][:frame] + whole + files[0][frame + 13 : scan] + b"".join(scans) + files[0][-2:]


def many_scans(jpeg: bytes, scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * scans + b"\xff\xd9"


def rle_bmp(width: int, height: int, runs: bytes) -> bytes:
    """An 8-bit BMP of run-length codes with a grey-free palette."""
    palette = b"".join(bytes((i, 255 - i, i // 2, 0)) for i in range(256))
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(runs), 0, 0, offset) + info + palette + runs


def box(kind: bytes, body: bytes) -> bytes:
    """One ISO base media box."""
    return struct.pack(">I", len(body) + 8) + kind + body


def resized_heif(data: bytes, width: int, height: int) -> bytes:
    """The HEIC or AVIF with another size in every `ispe` property."""
    parts = data.split(b"ispe")
    return parts[0] + b"".join(b"ispe" + part[:4] + struct.pack(">II", width, height) + part[12:] for part in parts[1:])


def long_heic(data: bytes, size: int) -> bytes:
    """The HEIC, which has one item and ends with it, with zero words behind its slice: about this many bytes of it."""
    start = data.index(b"mdat") + 4
    (old,) = struct.unpack_from(">I", data, start)
    added = b"\0\0\3" * ((size - old) // 3)
    head = data[: start - 8].replace(struct.pack(">I", len(data) - start), struct.pack(">I", old + 4 + len(added)))
    return head + box(b"mdat", struct.pack(">I", old + len(added)) + data[start + 4 :] + added)
