"""The demo's album: pictures drawn by code, each with a property that careless tools handle wrongly."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageCms, ImageDraw
from PIL.TiffImagePlugin import IFDRational

from image_ingest.target import Target

_ORIENTATION, _MAKE, _GPS = 0x0112, 0x010F, 0x8825
_UNSUPPORTED = "image.unsupported-format"
_TURN_CLOCKWISE = 6  # EXIF: to be shown upright, turn by 90 degrees


@dataclass(frozen=True)
class Sample:
    """One upload, and how it must end: `expected` is an outcome or an error code.

    `after` names a sample that must settle first. `repeats` names one whose notification is delivered a second time.
    """

    name: str
    about: str
    data: bytes = b""
    target: Target | None = None
    expected: str = "stored"
    after: str | None = None
    repeats: str | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """The S3 metadata that name the target; empty without one."""
        if self.target is None:
            return {}
        return {"entity-type": self.target.entity_type, "entity-id": str(self.target.entity_id)}


def make_album(own: Path | None = None) -> list[Sample]:
    """The demo's uploads, and the visitor's own picture for a person, if there is one."""
    ada, logo = Target("person", 1), "logo.png"
    samples = [
        Sample("ada.jpg", "a phone photo, stored sideways, with its GPS position", _draw_phone_photo(), ada),
        Sample(logo, "transparent", _draw_logo(), Target("project", 1)),
        Sample("office.tif", "a scan for print, in CMYK", _draw_scan(), Target("contact", 1)),
        Sample("mug.webp", "larger than SuperOffice allows for products", _draw_product(), Target("product", 1)),
        Sample("notes.jpg", "a text file named .jpg", b"Dear diary,\n" * 99, Target("person", 2), _UNSUPPORTED),
        Sample("stray.png", "without a target", _draw_logo(), None, "target.missing"),
        Sample("ada-new.jpg", "a newer photo of the same person", _draw_portrait("#5c7f67"), ada, after="ada.jpg"),
        Sample(logo, "its notification, delivered a second time", b"", Target("project", 1), "duplicate", logo, logo),
    ]
    if own is not None:
        samples.insert(0, Sample(f"your-{own.name}", "your own", own.read_bytes(), Target("person", 3)))
    return samples


@cache
def _draw_phone_photo() -> bytes:
    image = _draw_person((3000, 4000), "#4a6fa5").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURN_CLOCKWISE
    exif[_MAKE] = "Phone"
    degrees = (IFDRational(59), IFDRational(54), IFDRational(0))
    exif[_GPS] = {1: "N", 2: degrees, 3: "E", 4: (IFDRational(10), IFDRational(44), IFDRational(0))}
    return _encode(image, "JPEG", quality=88, exif=exif, icc_profile=_make_srgb_profile())


@cache
def _draw_portrait(colour: str) -> bytes:
    return _encode(_draw_person((1200, 1600), colour), "JPEG", quality=90)


def _draw_person(size: tuple[int, int], colour: str) -> Image.Image:
    """A head and shoulders in front of a wall, lit from above."""
    width, height = size
    image = _draw_background(size, colour)
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


@cache
def _draw_logo() -> bytes:
    image = Image.new(
        "RGBA", (1400, 900), (255, 0, 255, 0)
    )  # the colour that a careless tool shows in transparent areas
    draw = ImageDraw.Draw(image)
    for number, colour in enumerate(("#0a5c63", "#12868f", "#7fd1c7")):
        inset = 120 * number
        draw.ellipse((250 + inset, 50 + inset, 1050 - inset, 850 - inset), fill=colour)
    draw.polygon([(700, 250), (1330, 450), (700, 650)], fill="#f2a541")
    return _encode(image, "PNG", optimize=True)


@cache
def _draw_scan() -> bytes:
    image = _draw_background((1800, 1200), "#8fb8de")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 1000, 1800, 1200), fill="#5d6b5d")
    draw.rectangle((420, 260, 1380, 1060), fill="#b5654a")
    for row in range(4):
        for column in range(6):
            x, y = 490 + 145 * column, 330 + 165 * row
            draw.rectangle((x, y, x + 85, y + 105), fill="#f7e3a1" if (row * 5 + column * 3) % 4 else "#3f4c5a")
    draw.rectangle((850, 930, 950, 1060), fill="#2f2a28")
    return _encode(image.convert("CMYK"), "TIFF", compression="tiff_lzw")


@cache
def _draw_product() -> bytes:
    image = Image.new("RGB", (2400, 2400), "#fafafa")
    draw = ImageDraw.Draw(image)
    draw.ellipse((500, 1900, 1900, 2200), fill="#dcdcdc")
    draw.ellipse((1500, 850, 2150, 1600), outline="#b23a48", width=130)
    draw.rounded_rectangle((600, 600, 1700, 2050), 160, fill="#c8465a")
    draw.ellipse((600, 500, 1700, 760), fill="#8c2f3c")
    draw.ellipse((660, 540, 1640, 720), fill="#3c2415")
    return _encode(image, "WEBP", quality=85)


def _draw_background(size: tuple[int, int], colour: str) -> Image.Image:
    shade = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, "#1c2226"), Image.new("RGB", size, colour), shade.point(_halve))


def _halve(value: int) -> int:
    return value // 2


def _make_srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _encode(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
