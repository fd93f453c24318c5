"""Files that are no picture, damaged pictures, and pictures made to harm a decoder."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.pictures.makers import (
    box,
    chunk,
    encoded,
    header,
    long_heic,
    many_scans,
    plain_tiff,
    png,
    resized_frame,
    resized_heif,
    rle_bmp,
    segment,
    tiff,
    with_segments,
)
from tests.pictures.scene import JPEG, PNG, TOO_MANY, UNREADABLE, UNSUPPORTED, Sample, heic, noise, odd, scene


def _png_bomb(side: int, colour: int) -> bytes:
    row = bytes(side * {0: 1, 2: 3, 6: 4}[colour])
    return png(header(side, side, 8, colour), (row for _ in range(side)))


def _without_palette(instead: bytes) -> bytes:
    data = encoded(scene().quantize(4), "PNG")
    at = data.index(b"PLTE") - 4
    return data[:at] + instead + data[at + 12 + struct.unpack_from(">I", data, at)[0] :]


def _gif(width: int, height: int, frame: tuple[int, int, int, int], codes: bytes = b"\x02\x4c\x01\0") -> bytes:
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes((255, 0, 0, 0, 0, 255))
    return b"GIF89a" + screen + b"\x2c" + struct.pack("<4HB", *frame, 0) + b"\x02" + codes + b"\x3b"


def _gif_frames(frames: int) -> bytes:
    one = _gif(1, 1, (0, 0, 1, 1))
    return one[:19] + one[19:-1] * frames + b"\x3b"


def _tiff_entries(entries: int) -> bytes:
    return tiff("<", [(30_000 + i % 20_000, 3, [1]) for i in range(entries)], bytes(16))


def _tiff_metadata(size: int) -> bytes:
    """Entries that all point at the same bytes, together far more than the file."""
    data = bytearray(plain_tiff(scene()))
    at = struct.unpack_from("<I", data, 4)[0]
    (count,) = struct.unpack_from("<H", data, at)
    many = b"".join(struct.pack("<HHII", 40_000 + i, 7, size, 8) for i in range(2000))
    struct.pack_into("<H", data, at, count + 2000)
    return bytes(data[: at + 2 + 12 * count]) + many + bytes(data[at + 2 + 12 * count :]) + bytes(size)


def _tiff_of(width: int, height: int) -> bytes:
    basics = [(256, 4, [width]), (257, 4, [height]), (258, 3, [8]), (259, 3, [1]), (262, 3, [1])]
    return tiff("<", [*basics, (273, 4, [8]), (277, 3, [1]), (278, 4, [height]), (279, 4, [64])], bytes(64))


def _webp_of(width: int, height: int) -> bytes:
    body = b"WEBPVP8L" + struct.pack("<IBI", 9, 0x2F, (width - 1) | (height - 1) << 14) + bytes(5)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _bmp_of(width: int, height: int) -> bytes:
    data = bytearray(encoded(scene(), "BMP"))
    struct.pack_into("<ii", data, 18, width, height)
    return bytes(data)


def _jpeg(**options: object) -> bytes:
    return encoded(scene(), "JPEG", **options)


def _cut(make: Callable[[], bytes], share: float = 0.5) -> Callable[[], bytes]:
    def made() -> bytes:
        data = make()
        return data[: int(len(data) * share)]

    return made


def _noisy(encoder: str, **options: object) -> Callable[[], bytes]:
    return _cut(lambda: encoded(noise(160, 120), encoder, **options), 0.6)


def _cut_with_end(mode: str) -> Callable[[], bytes]:
    cut = _cut(lambda: encoded(noise(160, 120).convert(mode), "JPEG"), 0.6)
    return lambda: cut() + b"\xff\xd9"


HARMFUL: tuple[Sample, ...] = (
    odd("nothing", lambda: b"", UNSUPPORTED),
    odd("text", lambda: b"not a picture", UNSUPPORTED),
    odd("text-like-bmp", lambda: b"BM is how this letter begins, and it goes on.", UNSUPPORTED),
    odd("pdf", lambda: b"%PDF-1.7\n", UNSUPPORTED),
    odd("svg", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", UNSUPPORTED),
    odd("eps", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UNSUPPORTED),
    odd("ico", lambda: encoded(scene(), "ICO"), UNSUPPORTED),
    odd("jpeg-2000", lambda: encoded(scene(), "JPEG2000"), UNSUPPORTED),
    odd("video", lambda: box(b"ftyp", b"isom\0\0\2\0isomavc1mp41") + bytes(99), UNSUPPORTED),
    odd("jpeg-cut", _noisy("JPEG"), UNREADABLE),
    odd("jpeg-progressive-cut", _noisy("JPEG", progressive=True), UNREADABLE),
    odd("jpeg-cut-with-end", _cut_with_end("RGB"), UNREADABLE),
    odd("jpeg-grey-cut-with-end", _cut_with_end("L"), UNREADABLE),
    odd("jpeg-cmyk-cut-with-end", _cut_with_end("CMYK"), UNREADABLE),
    odd("png-cut", _noisy("PNG"), UNREADABLE),
    odd("gif-cut", _noisy("GIF"), UNREADABLE),
    odd("tiff-cut", _noisy("TIFF"), UNREADABLE),
    odd("tiff-lzw-cut", _noisy("TIFF", compression="tiff_lzw"), UNREADABLE),
    odd("webp-cut", _noisy("WEBP"), UNREADABLE),
    odd("bmp-cut", _noisy("BMP"), UNREADABLE),
    odd("avif-cut", _noisy("AVIF"), UNREADABLE),
    odd("heic-cut", _cut(lambda: heic(noise(160, 120))), UNREADABLE),
    odd("jpeg-start-only", lambda: b"\xff\xd8\xff", UNREADABLE),
    odd("jpeg-without-scan", lambda: _jpeg()[: _jpeg().index(b"\xff\xda")] + b"\xff\xd9", UNREADABLE),
    odd("jpeg-no-size", lambda: resized_frame(_jpeg(), 0, 0), UNREADABLE),
    odd("jpeg-no-tables", lambda: _jpeg().replace(b"\xff\xc4", b"\xff\xfe"), JPEG),
    odd("jpeg-lossless-frame", lambda: _jpeg().replace(b"\xff\xc0", b"\xff\xc3"), UNREADABLE),
    odd("jpeg-huge", lambda: resized_frame(_jpeg(), 65_500, 65_500), TOO_MANY),
    odd("jpeg-large-and-empty", lambda: resized_frame(_jpeg(), 5_000, 5_000), UNREADABLE),
    odd(
        "jpeg-coefficients",
        lambda: resized_frame(_jpeg(progressive=True, subsampling=0), 12_500, 7_900),
        JPEG,
    ),
    odd("jpeg-scans", lambda: many_scans(_jpeg(progressive=True), 3000), TOO_MANY),
    odd(
        "jpeg-scans-of-many-pixels",
        lambda: many_scans(resized_frame(_jpeg(progressive=True), 4400, 4400), 80),
        TOO_MANY,
    ),
    odd("jpeg-segments", lambda: with_segments(_jpeg(), segment(0xFE, b"") * 60_000), TOO_MANY),
    odd("jpeg-metadata-flood", lambda: with_segments(_jpeg(), segment(0xE1, bytes(65_000)) * 600), TOO_MANY),
    odd("jpeg-fill-flood", lambda: with_segments(_jpeg(), b"\xff" * 5_000_000), TOO_MANY),
    odd("png-huge", lambda: header(60_000, 60_000, 8, 6) + chunk(b"IDAT", bytes(9)) + chunk(b"IEND"), TOO_MANY),
    odd("png-no-size", lambda: header(0, 9, 8, 2) + chunk(b"IDAT", bytes(9)) + chunk(b"IEND"), UNREADABLE),
    odd("png-bomb-grey", lambda: _png_bomb(9_000, 0), JPEG),
    odd("png-bomb-over-the-limit", lambda: _png_bomb(10_001, 0), TOO_MANY),
    odd("png-no-palette", lambda: _without_palette(b""), UNREADABLE),
    odd("png-empty-palette", lambda: _without_palette(chunk(b"PLTE")), UNREADABLE),
    odd("png-no-data", lambda: header(9, 9, 8, 2) + chunk(b"IEND"), UNREADABLE),
    odd("png-wrong-checksum", lambda: encoded(scene(), "PNG").replace(b"IDAT", b"IDAX"), UNREADABLE),
    odd("png-chunk-past-the-end", lambda: header(9, 9, 8, 2) + struct.pack(">I", 2**31 - 1) + b"IDAT\0", UNREADABLE),
    odd("png-more-rows-than-data", lambda: png(header(500, 500, 8, 2), [bytes(1500)] * 9), UNREADABLE),
    odd("png-last-row-missing", lambda: png(header(9, 9, 8, 2), [bytes(27)] * 8), UNREADABLE),
    odd("gif-frames", lambda: _gif_frames(20_000), PNG),
    odd("gif-huge", lambda: _gif(65_535, 65_535, (0, 0, 1, 1)), TOO_MANY),
    odd("gif-frame-outside", lambda: _gif(4, 4, (60_000, 60_000, 5_000, 5_000)), TOO_MANY),
    odd("gif-no-picture", lambda: b"GIF89a" + bytes(7) + b"\x3b", UNREADABLE),
    odd("gif-wrong-codes", lambda: _gif(9, 9, (0, 0, 9, 9), b"\xff" + b"\xff" * 255 + b"\0"), UNREADABLE),
    odd("tiff-entries", lambda: _tiff_entries(20_000), TOO_MANY),
    odd("tiff-metadata-flood", lambda: _tiff_metadata(10**6), TOO_MANY),
    odd("tiff-directory-outside", lambda: b"II*\0" + struct.pack("<I", 2**31), UNREADABLE),
    odd("tiff-empty-directory", lambda: tiff("<", [], b""), UNREADABLE),
    odd("tiff-huge", lambda: _tiff_of(200_000, 200_000), TOO_MANY),
    odd("tiff-data-missing", lambda: _tiff_of(5_000, 5_000), UNREADABLE),
    odd("webp-huge", lambda: _webp_of(16_383, 16_383), TOO_MANY),
    odd("webp-memory", lambda: _webp_of(9_990, 9_990), TOO_MANY),
    odd("bmp-huge", lambda: _bmp_of(2**30, 2**30), TOO_MANY),
    odd("bmp-negative", lambda: _bmp_of(-50, 50), TOO_MANY),
    odd("bmp-run-lengths", lambda: rle_bmp(9_000, 9_000, b"\xff\x01" * 400_000 + b"\0\1"), PNG),
    odd("bmp-one-by-one", lambda: rle_bmp(9_999, 9_999, b"\1\2" * 20_000_000), TOO_MANY, UNREADABLE),
    odd("avif-huge", lambda: resized_heif(encoded(scene(), "AVIF"), 60_000, 60_000), UNREADABLE),
    odd("heic-huge", lambda: resized_heif(heic(scene()), 60_000, 60_000), TOO_MANY),
    odd("heic-padded", lambda: long_heic(heic(scene()), 2**20), JPEG),
    odd("heic-long-part", lambda: long_heic(heic(scene()), 2**24 + 999), UNSUPPORTED),
    odd("heic-empty", lambda: box(b"ftyp", b"heic\0\0\0\0heic") + bytes(99), UNREADABLE),
)
