"""The demo's album: photos drawn by code, each with something that a careless tool gets wrong."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageCms, ImageDraw
from PIL.TiffImagePlugin import IFDRational

from image_ingest.target import Target

_ORIENTATION, _MAKE, _GPS = 0x0112, 0x010F, 0x8825
_UNSUPPORTED = "image.unsupported-format"
_TURN_CLOCKWISE = 6  # EXIF: to be shown upright, turn by 90 degrees


@dataclass(frozen=True)
class Photo:
    """One upload, and how it should end: `expected` is an outcome or an error code.

    `after` names a photo that must have settled before; `repeats` one whose notification is only delivered once more.
    """

    name: str
    about: str
    data: bytes = b""
    target: Target | None = None
    expected: str = "stored"
    after: str | None = None
    repeats: str | None = None


def album(own: Path | None = None) -> list[Photo]:
    """The demo's uploads, and the visitor's own picture as a person's, if there is one."""
    ada, logo = Target("person", 1), "logo.png"
    photos = [
        Photo("ada.jpg", "a phone photo, stored sideways, with its GPS position", _sideways_phone_photo(), ada),
        Photo(logo, "transparent", _transparent_logo(), Target("project", 1)),
        Photo("office.tif", "a scan for print, CMYK", _scan_for_print(), Target("contact", 1)),
        Photo("mug.webp", "larger than a product picture may be", _product(), Target("product", 1)),
        Photo("notes.jpg", "a text that calls itself .jpg", b"Dear diary,\n" * 99, Target("person", 2), _UNSUPPORTED),
        Photo("stray.png", "nothing says whose it is", _transparent_logo(), None, "target.missing"),
        Photo("ada-new.jpg", "a newer photo of the same person", _portrait("#5c7f67"), ada, after="ada.jpg"),
        Photo(logo, "its notification, delivered twice", b"", Target("project", 1), "duplicate", logo, logo),
    ]
    if own is not None:
        photos.insert(0, Photo(f"your-{own.name}", "your own", own.read_bytes(), Target("person", 3)))
    return photos


def _sideways_phone_photo() -> bytes:
    image = _person((3000, 4000), "#4a6fa5").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURN_CLOCKWISE
    exif[_MAKE] = "Phone"
    degrees = (IFDRational(59), IFDRational(54), IFDRational(0))
    exif[_GPS] = {1: "N", 2: degrees, 3: "E", 4: (IFDRational(10), IFDRational(44), IFDRational(0))}
    return _encoded(image, "JPEG", quality=88, exif=exif, icc_profile=_srgb())


def _portrait(colour: str) -> bytes:
    return _encoded(_person((1200, 1600), colour), "JPEG", quality=90)


def _person(size: tuple[int, int], colour: str) -> Image.Image:
    """A head and shoulders before a wall, light from above."""
    width, height = size
    image = _shaded(size, colour)
    draw = ImageDraw.Draw(image)
    draw.ellipse((0.14 * width, 0.66 * height, 0.86 * width, 1.5 * height), fill="#22303c")
    draw.polygon(
        [(0.43 * width, 0.66 * height), (0.57 * width, 0.66 * height), (0.5 * width, 0.82 * height)], fill="#f2f0ea"
    )
    draw.rounded_rectangle((0.44 * width, 0.52 * height, 0.56 * width, 0.7 * height), 0.05 * width, fill="#d9a98a")
    draw.ellipse((0.31 * width, 0.2 * height, 0.69 * width, 0.6 * height), fill="#5b3a29")
    draw.ellipse((0.34 * width, 0.25 * height, 0.66 * width, 0.6 * height), fill="#e8bd9f")
    for eye in (0.43, 0.57):
        draw.ellipse(((eye - 0.02) * width, 0.39 * height, (eye + 0.02) * width, 0.415 * height), fill="#2a2320")
    draw.arc((0.43 * width, 0.43 * height, 0.57 * width, 0.52 * height), 20, 160, fill="#9c5544", width=width // 80)
    return image


def _transparent_logo() -> bytes:
    image = Image.new("RGBA", (1400, 900), (255, 0, 255, 0))  # what a careless tool shows where nothing is
    draw = ImageDraw.Draw(image)
    for number, colour in enumerate(("#0a5c63", "#12868f", "#7fd1c7")):
        inset = 120 * number
        draw.ellipse((250 + inset, 50 + inset, 1050 - inset, 850 - inset), fill=colour)
    draw.polygon([(700, 250), (1330, 450), (700, 650)], fill="#f2a541")
    return _encoded(image, "PNG", optimize=True)


def _scan_for_print() -> bytes:
    image = _shaded((1800, 1200), "#8fb8de")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 1000, 1800, 1200), fill="#5d6b5d")
    draw.rectangle((420, 260, 1380, 1060), fill="#b5654a")
    for row in range(4):
        for column in range(6):
            x, y = 490 + 145 * column, 330 + 165 * row
            draw.rectangle((x, y, x + 85, y + 105), fill="#f7e3a1" if (row * 5 + column * 3) % 4 else "#3f4c5a")
    draw.rectangle((850, 930, 950, 1060), fill="#2f2a28")
    return _encoded(image.convert("CMYK"), "TIFF", compression="tiff_lzw")


def _product() -> bytes:
    image = Image.new("RGB", (2400, 2400), "#fafafa")
    draw = ImageDraw.Draw(image)
    draw.ellipse((500, 1900, 1900, 2200), fill="#dcdcdc")
    draw.ellipse((1500, 850, 2150, 1600), outline="#b23a48", width=130)
    draw.rounded_rectangle((600, 600, 1700, 2050), 160, fill="#c8465a")
    draw.ellipse((600, 500, 1700, 760), fill="#8c2f3c")
    draw.ellipse((660, 540, 1640, 720), fill="#3c2415")
    return _encoded(image, "WEBP", quality=85)


def _shaded(size: tuple[int, int], colour: str) -> Image.Image:
    shade = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, "#1c2226"), Image.new("RGB", size, colour), shade.point(_half))


def _half(value: int) -> int:
    return value // 2


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
