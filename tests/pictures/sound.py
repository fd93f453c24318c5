"""Sound pictures in every accepted format and mode."""

from __future__ import annotations

import struct

from PIL import Image, ImageCms, PngImagePlugin

from tests.pictures.makers import (
    box,
    chunk,
    deep_png,
    encoded,
    exif,
    interlaced_png,
    plain_tiff,
    segment,
    tiled_tiff,
    with_segments,
    ycck_jpeg,
)
from tests.pictures.profiles import cmyk_profile, grey_profile, rgb_profile
from tests.pictures.scene import (
    FIELDS,
    HEIGHT,
    JPEG,
    PNG,
    WIDTH,
    Sample,
    clear,
    grey,
    grey_scene,
    heic,
    noise,
    odd,
    scene,
    see_through,
    stored,
)


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
    stored("jpeg", lambda: encoded(scene(), "JPEG", quality=95)),
    stored("jpeg-progressive", lambda: encoded(scene(), "JPEG", quality=95, progressive=True)),
    stored("jpeg-444", lambda: encoded(scene(), "JPEG", quality=95, subsampling=0)),
    stored("jpeg-stored-as-rgb", lambda: encoded(scene(), "JPEG", quality=95, keep_rgb=True)),
    grey("jpeg-grey", lambda: encoded(grey_scene(), "JPEG", quality=95)),
    stored("jpeg-cmyk", lambda: encoded(scene().convert("CMYK"), "JPEG", quality=95)),
    stored("jpeg-ycck", lambda: ycck_jpeg(scene())),
    stored("jpeg-metadata", _metadata_jpeg, tolerance=45),
    stored("jpeg-mpo", _mpo),
    stored("jpeg-trailing-video", lambda: encoded(scene(), "JPEG", quality=95) + box(b"ftyp", b"mp42") + bytes(9999)),
    stored("jpeg-padded-markers", lambda: with_segments(encoded(scene(), "JPEG", quality=95), b"\xff" * 64)),
    stored("jpeg-broken-profile", lambda: encoded(scene(), "JPEG", quality=95, icc_profile=b"\0" * 200)),
    stored("jpeg-cmyk-rgb-profile", lambda: encoded(scene().convert("CMYK"), "JPEG", icc_profile=rgb_profile())),
    stored("jpeg-broken-exif", lambda: encoded(scene(), "JPEG", quality=95, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")),
    grey("jpeg-grey-rgb-profile", lambda: encoded(grey_scene(), "JPEG", icc_profile=rgb_profile()), tolerance=10),
    stored("png", lambda: encoded(scene(), "PNG"), tolerance=6),
    stored("png-interlaced", lambda: interlaced_png(scene()), tolerance=6),
    stored("png-16-bit", lambda: deep_png(scene()), tolerance=6),
    grey("png-16-bit-grey", lambda: deep_png(grey_scene())),
    clear("png-16-bit-alpha", lambda: deep_png(see_through())),
    grey("png-grey", lambda: encoded(grey_scene(), "PNG")),
    stored("png-opaque-alpha", lambda: encoded(scene().convert("RGBA"), "PNG"), tolerance=6),
    clear("png-alpha", lambda: encoded(see_through(), "PNG")),
    stored("png-palette", lambda: encoded(_palette(scene()), "PNG"), PNG),
    clear("png-palette-alpha", lambda: encoded(see_through().quantize(16), "PNG")),
    stored("png-metadata", _metadata_png, tolerance=45),
    stored("png-exif-at-the-end", _late_exif_png, tolerance=6),
    stored("png-animated", lambda: _animated("PNG"), tolerance=6),
    stored("png-second-header-lies", lambda: encoded(scene(), "PNG") + encoded(noise(9, 9), "PNG"), tolerance=6),
    stored("gif", lambda: encoded(_palette(scene()), "GIF"), PNG),
    stored("gif-animated", lambda: _animated("GIF"), PNG),
    grey("gif-grey", lambda: encoded(grey_scene(), "GIF"), PNG),
    stored("tiff-strips", lambda: plain_tiff(scene()), tolerance=6),
    stored("tiff-big-endian", lambda: plain_tiff(scene(), ">"), tolerance=6),
    stored("tiff-tiles", lambda: tiled_tiff(scene()), tolerance=6),
    stored("tiff-lzw", lambda: encoded(scene(), "TIFF", compression="tiff_lzw"), tolerance=6),
    stored("tiff-deflate", lambda: encoded(scene(), "TIFF", compression="tiff_adobe_deflate"), tolerance=6),
    stored("tiff-jpeg", lambda: encoded(scene(), "TIFF", compression="jpeg", quality=95), tolerance=25),
    stored("tiff-big", lambda: encoded(scene(), "TIFF", big_tiff=True), tolerance=6),
    stored("tiff-cmyk", lambda: encoded(scene().convert("CMYK"), "TIFF"), tolerance=6),
    stored("tiff-lab", _lab_tiff),
    grey(
        "tiff-16-bit-grey", lambda: encoded(grey_scene().convert("I").point(lambda v: v * 257).convert("I;16"), "TIFF")
    ),
    grey("tiff-float", lambda: encoded(grey_scene().convert("F").point(lambda v: v * (1 / 255) + 0), "TIFF")),
    grey("tiff-float-255", lambda: encoded(grey_scene().convert("F"), "TIFF")),
    stored("tiff-palette", lambda: encoded(_palette(scene()), "TIFF"), PNG),
    clear("tiff-alpha", lambda: encoded(see_through(), "TIFF")),
    stored("tiff-pages", lambda: _animated("TIFF"), tolerance=6),
    stored("tiff-directory-loop", lambda: plain_tiff(scene(), following=8 + 3 * WIDTH * HEIGHT), tolerance=6),
    stored("webp", lambda: encoded(scene(), "WEBP", quality=95)),
    stored("webp-lossless", lambda: encoded(scene(), "WEBP", lossless=True), tolerance=6),
    stored("webp-animated", lambda: _animated("WEBP", quality=95)),
    clear("webp-alpha", lambda: encoded(see_through(), "WEBP", lossless=True, exact=True)),
    stored("bmp", lambda: encoded(scene(), "BMP"), tolerance=6),
    stored("bmp-palette", lambda: encoded(_palette(scene()), "BMP"), PNG),
    grey("bmp-grey", lambda: encoded(grey_scene(), "BMP"), PNG),
    stored("avif", lambda: encoded(scene(), "AVIF", quality=95), tolerance=15),
    stored("avif-animated", lambda: _animated("AVIF", quality=95), tolerance=15),
    clear("avif-alpha", lambda: encoded(see_through(), "AVIF", quality=95), tolerance=15),
    stored("heic", lambda: heic(scene(), quality=95), tolerance=15),
    clear("heic-alpha", lambda: heic(see_through(), quality=95), tolerance=15),
    grey("heic-grey", lambda: heic(grey_scene(), quality=95), tolerance=10),
    odd("jpeg-one-pixel", lambda: encoded(Image.new("RGB", (1, 1)), "JPEG"), JPEG),
    odd("png-very-wide", lambda: encoded(Image.new("L", (60_000, 1)), "PNG"), JPEG),
    odd("png-very-high", lambda: encoded(Image.new("RGBA", (1, 60_000)), "PNG"), PNG),
    odd("png-one-bit", lambda: encoded(grey_scene().convert("1"), "PNG"), JPEG),
    odd("tiff-fax", lambda: encoded(grey_scene().convert("1"), "TIFF", compression="group4"), JPEG),
    odd("gif-transparent", lambda: encoded(_palette(scene()), "GIF", transparency=1), PNG),
    odd("png-key", lambda: _keyed(scene()), PNG),
    odd("png-grey-key", lambda: _keyed(grey_scene()), PNG),
    odd("png-16-bit-key", lambda: deep_png(scene(), chunk(b"tRNS", struct.pack(">3H", *[65_535] * 3))), PNG),
    odd("png-16-bit-grey-key", lambda: deep_png(grey_scene(), chunk(b"tRNS", struct.pack(">H", 65_535))), PNG),
    odd("jpeg-cmyk-profile", lambda: encoded(scene().convert("CMYK"), "JPEG", icc_profile=cmyk_profile()), JPEG),
    odd("jpeg-grey-profile", lambda: encoded(grey_scene(), "JPEG", icc_profile=grey_profile()), JPEG),
    odd("png-palette-profile", lambda: encoded(_palette(scene()), "PNG", icc_profile=rgb_profile()), PNG),
)
