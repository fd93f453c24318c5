"""Every odd and hostile picture that the tests know, made from code.

Sound samples show the scene: four fields, red and green above, blue and white below.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

import pillow_heif
from PIL import Image, ImageCms, PngImagePlugin

from tests.pictures.makers import (
    box,
    chunk,
    deep_png,
    encoded,
    exif,
    header,
    insert_after_header,
    interlaced_png,
    many_scans,
    plain_tiff,
    png,
    resized_frame,
    resized_heif,
    rle_bmp,
    segment,
    tiff,
    tiled_tiff,
    with_segments,
    ycck_jpeg,
)
from tests.pictures.profiles import cmyk_profile, grey_profile, rgb_profile

JPEG, PNG = "image/jpeg", "image/png"
UNSUPPORTED, UNREADABLE, TOO_MANY = "image.unsupported-format", "image.unreadable", "image.too-many-pixels"
FIELDS = ((230, 30, 30), (30, 200, 30), (30, 30, 230), (255, 255, 255))
GREYS = tuple(round(0.299 * r + 0.587 * g + 0.114 * b) for r, g, b in FIELDS)
WIDTH, HEIGHT = 120, 80


@dataclass(frozen=True)
class Sample:
    """A file; `outcome` is the content type it is stored as, or the code it is rejected with.

    Several where that depends on the speed of the machine.
    """

    name: str
    make: Callable[[], bytes]
    outcome: tuple[str, ...]
    fields: tuple[tuple[int, ...], ...] | None = None  # what the four fields must look like
    tolerance: int = 12


@lru_cache(maxsize=4)
def scene(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """The four fields in RGB."""
    picture = Image.new("RGB", (2, 2))
    for i, colour in enumerate(FIELDS):
        picture.putpixel((i % 2, i // 2), colour)
    return picture.resize((width, height), Image.Resampling.NEAREST)


def grey_scene() -> Image.Image:
    """The four fields in L."""
    return scene().convert("L")


def see_through() -> Image.Image:
    """The scene, whose green field is transparent and whose blue field is half so."""
    alpha = Image.new("L", (2, 2), 255)
    alpha.putpixel((1, 0), 0)
    alpha.putpixel((0, 1), 128)
    picture = scene().copy()
    picture.putalpha(alpha.resize(picture.size, Image.Resampling.NEAREST))
    return picture


def noise(width: int, height: int, seed: int = 5) -> Image.Image:
    """Detail in every pixel, the same each time."""
    return Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(3 * width * height))


def heic(image: Image.Image, **options: object) -> bytes:
    """What libheif writes for it, without registering anything with Pillow."""
    buffer = BytesIO()
    pillow_heif.from_pillow(image).save(buffer, **options)
    return buffer.getvalue()


SEE_THROUGH = ((230, 30, 30, 255), (0, 0, 0, 0), (30, 30, 230, 128), (255, 255, 255, 255))
GREY_FIELDS = tuple((value, value, value) for value in GREYS)


def _stored(name: str, make: Callable[[], bytes], as_type: str = JPEG, tolerance: int = 12) -> Sample:
    return Sample(name, make, (as_type,), FIELDS, tolerance)


def _grey(name: str, make: Callable[[], bytes], as_type: str = JPEG, tolerance: int = 6) -> Sample:
    return Sample(name, make, (as_type,), GREY_FIELDS, tolerance)


def _clear(name: str, make: Callable[[], bytes], tolerance: int = 12) -> Sample:
    return Sample(name, make, (PNG,), SEE_THROUGH, tolerance)


def _odd(name: str, make: Callable[[], bytes], *outcome: str) -> Sample:
    return Sample(name, make, outcome)


def _palette(image: Image.Image) -> Image.Image:
    return image.quantize(16)


def _keyed(image: Image.Image) -> bytes:
    """White is the transparent colour."""
    return encoded(image, "PNG", transparency=255 if image.mode == "L" else FIELDS[3])


def _metadata_png() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "private")
    text.add_itxt("XML:com.adobe.xmp", "<x>private</x>")
    return encoded(scene(), "PNG", pnginfo=text, exif=exif(1), dpi=(300, 300), icc_profile=rgb_profile())


def _metadata_jpeg() -> bytes:
    jpeg = encoded(scene(), "JPEG", quality=95, comment=b"private", exif=exif(1), icc_profile=rgb_profile())
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>private</x>")
    iptc = segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0c\x1c\x02\x78\0\x07private")
    return with_segments(jpeg, xmp, iptc) + b"private trailer"


def _mpo() -> bytes:
    return encoded(scene(), "MPO", save_all=True, append_images=[scene().rotate(180)], quality=95)


def _animated(encoder: str, **options: object) -> bytes:
    return encoded(scene(), encoder, save_all=True, append_images=[scene().rotate(180)], duration=50, **options)


def _lab_tiff() -> bytes:
    lab = ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(scene(), ImageCms.createProfile("sRGB"), lab, outputMode="LAB")
    assert converted is not None
    return encoded(converted, "TIFF")


def _late_exif_png() -> bytes:
    plain = encoded(scene().transpose(Image.Transpose.ROTATE_90), "PNG")
    return plain[:-12] + chunk(b"eXIf", exif(6)[6:]) + plain[-12:]


SOUND: tuple[Sample, ...] = (
    _stored("jpeg", lambda: encoded(scene(), "JPEG", quality=95)),
    _stored("jpeg-progressive", lambda: encoded(scene(), "JPEG", quality=95, progressive=True)),
    _stored("jpeg-444", lambda: encoded(scene(), "JPEG", quality=95, subsampling=0)),
    _stored("jpeg-stored-as-rgb", lambda: encoded(scene(), "JPEG", quality=95, keep_rgb=True)),
    _grey("jpeg-grey", lambda: encoded(grey_scene(), "JPEG", quality=95)),
    _stored("jpeg-cmyk", lambda: encoded(scene().convert("CMYK"), "JPEG", quality=95)),
    _stored("jpeg-ycck", lambda: ycck_jpeg(scene())),
    _stored("jpeg-metadata", _metadata_jpeg, tolerance=45),
    _stored("jpeg-mpo", _mpo),
    _stored("jpeg-trailing-video", lambda: encoded(scene(), "JPEG", quality=95) + box(b"ftyp", b"mp42") + bytes(9999)),
    _stored("jpeg-padded-markers", lambda: with_segments(encoded(scene(), "JPEG", quality=95), b"\xff" * 64)),
    _stored("jpeg-broken-profile", lambda: encoded(scene(), "JPEG", quality=95, icc_profile=b"\0" * 200)),
    _stored("jpeg-cmyk-rgb-profile", lambda: encoded(scene().convert("CMYK"), "JPEG", icc_profile=rgb_profile())),
    _stored("jpeg-broken-exif", lambda: encoded(scene(), "JPEG", quality=95, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")),
    _grey("jpeg-grey-rgb-profile", lambda: encoded(grey_scene(), "JPEG", icc_profile=rgb_profile()), tolerance=10),
    _stored("png", lambda: encoded(scene(), "PNG"), tolerance=6),
    _stored("png-interlaced", lambda: interlaced_png(scene()), tolerance=6),
    _stored("png-16-bit", lambda: deep_png(scene()), tolerance=6),
    _grey("png-16-bit-grey", lambda: deep_png(grey_scene())),
    _clear("png-16-bit-alpha", lambda: deep_png(see_through())),
    _grey("png-grey", lambda: encoded(grey_scene(), "PNG")),
    _stored("png-opaque-alpha", lambda: encoded(scene().convert("RGBA"), "PNG"), tolerance=6),
    _clear("png-alpha", lambda: encoded(see_through(), "PNG")),
    _stored("png-palette", lambda: encoded(_palette(scene()), "PNG"), PNG),
    _clear("png-palette-alpha", lambda: encoded(see_through().quantize(16), "PNG")),
    _stored("png-metadata", _metadata_png, tolerance=45),
    _stored("png-exif-at-the-end", _late_exif_png, tolerance=6),
    _stored("png-animated", lambda: _animated("PNG"), tolerance=6),
    _stored("png-second-header-lies", lambda: encoded(scene(), "PNG") + encoded(noise(9, 9), "PNG"), tolerance=6),
    _stored("gif", lambda: encoded(_palette(scene()), "GIF"), PNG),
    _stored("gif-animated", lambda: _animated("GIF"), PNG),
    _grey("gif-grey", lambda: encoded(grey_scene(), "GIF"), PNG),
    _stored("tiff-strips", lambda: plain_tiff(scene()), tolerance=6),
    _stored("tiff-big-endian", lambda: plain_tiff(scene(), ">"), tolerance=6),
    _stored("tiff-tiles", lambda: tiled_tiff(scene()), tolerance=6),
    _stored("tiff-lzw", lambda: encoded(scene(), "TIFF", compression="tiff_lzw"), tolerance=6),
    _stored("tiff-deflate", lambda: encoded(scene(), "TIFF", compression="tiff_adobe_deflate"), tolerance=6),
    _stored("tiff-jpeg", lambda: encoded(scene(), "TIFF", compression="jpeg", quality=95), tolerance=25),
    _stored("tiff-big", lambda: encoded(scene(), "TIFF", big_tiff=True), tolerance=6),
    _stored("tiff-cmyk", lambda: encoded(scene().convert("CMYK"), "TIFF"), tolerance=6),
    _stored("tiff-lab", _lab_tiff),
    _grey(
        "tiff-16-bit-grey", lambda: encoded(grey_scene().convert("I").point(lambda v: v * 257).convert("I;16"), "TIFF")
    ),
    _grey("tiff-float", lambda: encoded(grey_scene().convert("F").point(lambda v: v * (1 / 255) + 0), "TIFF")),
    _grey("tiff-float-255", lambda: encoded(grey_scene().convert("F"), "TIFF")),
    _stored("tiff-palette", lambda: encoded(_palette(scene()), "TIFF"), PNG),
    _clear("tiff-alpha", lambda: encoded(see_through(), "TIFF")),
    _stored("tiff-pages", lambda: _animated("TIFF"), tolerance=6),
    _stored("tiff-directory-loop", lambda: plain_tiff(scene(), following=8 + 3 * WIDTH * HEIGHT), tolerance=6),
    _stored("webp", lambda: encoded(scene(), "WEBP", quality=95)),
    _stored("webp-lossless", lambda: encoded(scene(), "WEBP", lossless=True), tolerance=6),
    _stored("webp-animated", lambda: _animated("WEBP", quality=95)),
    _clear("webp-alpha", lambda: encoded(see_through(), "WEBP", lossless=True, exact=True)),
    _stored("bmp", lambda: encoded(scene(), "BMP"), tolerance=6),
    _stored("bmp-palette", lambda: encoded(_palette(scene()), "BMP"), PNG),
    _grey("bmp-grey", lambda: encoded(grey_scene(), "BMP"), PNG),
    _stored("avif", lambda: encoded(scene(), "AVIF", quality=95), tolerance=15),
    _stored("avif-animated", lambda: _animated("AVIF", quality=95), tolerance=15),
    _clear("avif-alpha", lambda: encoded(see_through(), "AVIF", quality=95), tolerance=15),
    _stored("heic", lambda: heic(scene(), quality=95), tolerance=15),
    _clear("heic-alpha", lambda: heic(see_through(), quality=95), tolerance=15),
    _grey("heic-grey", lambda: heic(grey_scene(), quality=95), tolerance=10),
    _odd("jpeg-one-pixel", lambda: encoded(Image.new("RGB", (1, 1)), "JPEG"), JPEG),
    _odd("png-very-wide", lambda: encoded(Image.new("L", (60_000, 1)), "PNG"), JPEG),
    _odd("png-very-high", lambda: encoded(Image.new("RGBA", (1, 60_000)), "PNG"), PNG),
    _odd("png-one-bit", lambda: encoded(grey_scene().convert("1"), "PNG"), JPEG),
    _odd("tiff-fax", lambda: encoded(grey_scene().convert("1"), "TIFF", compression="group4"), JPEG),
    _odd("gif-transparent", lambda: encoded(_palette(scene()), "GIF", transparency=1), PNG),
    _odd("png-key", lambda: _keyed(scene()), PNG),
    _odd("png-grey-key", lambda: _keyed(grey_scene()), PNG),
    _odd("png-16-bit-key", lambda: deep_png(scene(), chunk(b"tRNS", struct.pack(">3H", *[65_535] * 3))), PNG),
    _odd("png-16-bit-grey-key", lambda: deep_png(grey_scene(), chunk(b"tRNS", struct.pack(">H", 65_535))), PNG),
    _odd("jpeg-cmyk-profile", lambda: encoded(scene().convert("CMYK"), "JPEG", icc_profile=cmyk_profile()), JPEG),
    _odd("jpeg-grey-profile", lambda: encoded(grey_scene(), "JPEG", icc_profile=grey_profile()), JPEG),
    _odd("png-palette-profile", lambda: encoded(_palette(scene()), "PNG", icc_profile=rgb_profile()), PNG),
)


def _png_text_bomb() -> bytes:
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(64 * 2**20), 9))
    return insert_after_header(encoded(scene(), "PNG"), bomb)


def _png_profile_bomb() -> bytes:
    bomb = chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(64 * 2**20), 9))
    return insert_after_header(encoded(scene(), "PNG"), bomb)


def _png_bomb(side: int, colour: int) -> bytes:
    row = bytes(side * {0: 1, 2: 3, 6: 4}[colour])
    return png(header(side, side, 8, colour), (row for _ in range(side)))


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


HOSTILE: tuple[Sample, ...] = (
    _odd("nothing", lambda: b"", UNSUPPORTED),
    _odd("text", lambda: b"not a picture", UNSUPPORTED),
    _odd("text-like-bmp", lambda: b"BM is how this letter begins, and it goes on.", UNSUPPORTED),
    _odd("pdf", lambda: b"%PDF-1.7\n", UNSUPPORTED),
    _odd("svg", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", UNSUPPORTED),
    _odd("eps", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UNSUPPORTED),
    _odd("ico", lambda: encoded(scene(), "ICO"), UNSUPPORTED),
    _odd("jpeg-2000", lambda: encoded(scene(), "JPEG2000"), UNSUPPORTED),
    _odd("video", lambda: box(b"ftyp", b"isom\0\0\2\0isomavc1mp41") + bytes(99), UNSUPPORTED),
    _odd("jpeg-cut", _noisy("JPEG"), UNREADABLE),
    _odd("jpeg-progressive-cut", _noisy("JPEG", progressive=True), UNREADABLE),
    _odd("png-cut", _noisy("PNG"), UNREADABLE),
    _odd("gif-cut", _noisy("GIF"), UNREADABLE),
    _odd("tiff-cut", _noisy("TIFF"), UNREADABLE),
    _odd("tiff-lzw-cut", _noisy("TIFF", compression="tiff_lzw"), UNREADABLE),
    _odd("webp-cut", _noisy("WEBP"), UNREADABLE),
    _odd("bmp-cut", _noisy("BMP"), UNREADABLE),
    _odd("avif-cut", _noisy("AVIF"), UNREADABLE),
    _odd("heic-cut", _cut(lambda: heic(noise(160, 120))), UNREADABLE),
    _odd("jpeg-start-only", lambda: b"\xff\xd8\xff", UNREADABLE),
    _odd("jpeg-without-scan", lambda: _jpeg()[: _jpeg().index(b"\xff\xda")] + b"\xff\xd9", UNREADABLE),
    _odd("jpeg-no-size", lambda: resized_frame(_jpeg(), 0, 0), UNREADABLE),
    _odd("jpeg-no-tables", lambda: _jpeg().replace(b"\xff\xc4", b"\xff\xfe"), JPEG),
    _odd("jpeg-lossless-frame", lambda: _jpeg().replace(b"\xff\xc0", b"\xff\xc3"), UNREADABLE),
    _odd("jpeg-huge", lambda: resized_frame(_jpeg(), 65_500, 65_500), TOO_MANY),
    _odd("jpeg-large-and-empty", lambda: resized_frame(_jpeg(), 9_900, 9_900), JPEG),
    _odd(
        "jpeg-coefficients",
        lambda: resized_frame(_jpeg(progressive=True, subsampling=0), 12_500, 7_900),
        JPEG,
    ),
    _odd("jpeg-scans", lambda: many_scans(_jpeg(progressive=True), 3000), TOO_MANY),
    _odd(
        "jpeg-scans-of-many-pixels",
        lambda: many_scans(resized_frame(_jpeg(progressive=True), 6000, 6000), 80),
        TOO_MANY,
    ),
    _odd("jpeg-segments", lambda: with_segments(_jpeg(), segment(0xFE, b"") * 60_000), TOO_MANY),
    _odd("jpeg-metadata-flood", lambda: with_segments(_jpeg(), segment(0xE1, bytes(65_000)) * 600), TOO_MANY),
    _odd("jpeg-fill-flood", lambda: with_segments(_jpeg(), b"\xff" * 5_000_000), TOO_MANY),
    _odd("png-huge", lambda: header(60_000, 60_000, 8, 6) + chunk(b"IDAT", bytes(9)) + chunk(b"IEND"), TOO_MANY),
    _odd("png-no-size", lambda: header(0, 9, 8, 2) + chunk(b"IDAT", bytes(9)) + chunk(b"IEND"), UNREADABLE),
    _odd("png-bomb-grey", lambda: _png_bomb(9_000, 0), JPEG),
    _odd("png-bomb-over-the-limit", lambda: _png_bomb(10_001, 0), TOO_MANY),
    _odd("png-text-bomb", _png_text_bomb, UNREADABLE),
    _odd("png-profile-bomb", _png_profile_bomb, UNREADABLE),
    _odd("png-no-data", lambda: header(9, 9, 8, 2) + chunk(b"IEND"), UNREADABLE),
    _odd("png-wrong-checksum", lambda: encoded(scene(), "PNG").replace(b"IDAT", b"IDAX"), UNREADABLE),
    _odd("png-chunk-past-the-end", lambda: header(9, 9, 8, 2) + struct.pack(">I", 2**31 - 1) + b"IDAT\0", UNREADABLE),
    _odd("png-more-rows-than-data", lambda: png(header(500, 500, 8, 2), [bytes(1500)] * 9), JPEG),
    _odd("gif-frames", lambda: _gif_frames(20_000), PNG),
    _odd("gif-huge", lambda: _gif(65_535, 65_535, (0, 0, 1, 1)), TOO_MANY),
    _odd("gif-frame-outside", lambda: _gif(4, 4, (60_000, 60_000, 5_000, 5_000)), TOO_MANY),
    _odd("gif-no-picture", lambda: b"GIF89a" + bytes(7) + b"\x3b", UNREADABLE),
    _odd("gif-wrong-codes", lambda: _gif(9, 9, (0, 0, 9, 9), b"\xff" + b"\xff" * 255 + b"\0"), UNREADABLE),
    _odd("tiff-entries", lambda: _tiff_entries(20_000), TOO_MANY),
    _odd("tiff-metadata-flood", lambda: _tiff_metadata(10**6), TOO_MANY),
    _odd("tiff-directory-outside", lambda: b"II*\0" + struct.pack("<I", 2**31), UNREADABLE),
    _odd("tiff-empty-directory", lambda: tiff("<", [], b""), UNREADABLE),
    _odd("tiff-huge", lambda: _tiff_of(200_000, 200_000), TOO_MANY),
    _odd("tiff-data-missing", lambda: _tiff_of(5_000, 5_000), UNREADABLE),
    _odd("webp-huge", lambda: _webp_of(16_383, 16_383), TOO_MANY),
    _odd("webp-memory", lambda: _webp_of(9_990, 9_990), TOO_MANY),
    _odd("bmp-huge", lambda: _bmp_of(2**30, 2**30), TOO_MANY),
    _odd("bmp-negative", lambda: _bmp_of(-50, 50), TOO_MANY),
    _odd("bmp-run-lengths", lambda: rle_bmp(9_000, 9_000, b"\xff\x01" * 400_000 + b"\0\1"), UNREADABLE),
    _odd("bmp-one-by-one", lambda: rle_bmp(9_999, 9_999, b"\1\2" * 20_000_000), TOO_MANY, UNREADABLE),
    _odd("avif-huge", lambda: resized_heif(encoded(scene(), "AVIF"), 60_000, 60_000), UNREADABLE),
    _odd("heic-huge", lambda: resized_heif(heic(scene()), 60_000, 60_000), TOO_MANY),
    _odd("heic-empty", lambda: box(b"ftyp", b"heic\0\0\0\0heic") + bytes(99), UNREADABLE),
)

CORPUS = SOUND + HOSTILE
