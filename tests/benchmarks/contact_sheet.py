"""docs/formats.png: one picture in every accepted format, as it comes out of the function.

`python -m tests.benchmarks.contact_sheet`
"""

from __future__ import annotations

import math
from collections.abc import Callable
from io import BytesIO

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from image_ingest.deadline import Deadline
from image_ingest.picture import prepare
from image_ingest.settings import PictureSettings
from tests import ROOT
from tests.pictures.makers import deep_png, encoded, exif, interlaced_png, tiled_tiff, ycck_jpeg
from tests.pictures.profiles import rgb_profile
from tests.pictures.scene import heic

SHEET = ROOT / "docs" / "formats.png"
CELL, COLUMNS, LABEL = 180, 6, 40
SIZE = (480, 360)


def portrait() -> Image.Image:
    """A drawn face before a gradient: round forms, skin, an edge of every colour, and which way is up."""
    picture = Image.merge(
        "RGB", [Image.linear_gradient("L").resize(SIZE).point(lambda v, s=s: s + v // 3) for s in (120, 150, 190)]
    )
    pen = ImageDraw.Draw(picture)
    pen.ellipse((90, 270, 390, 560), fill=(38, 84, 124))
    pen.ellipse((165, 70, 315, 270), fill=(236, 188, 156))
    pen.pieslice((155, 50, 325, 230), 180, 360, fill=(92, 58, 34))
    for x in (205, 275):
        pen.ellipse((x - 10, 150, x + 10, 166), fill="white")
        pen.ellipse((x - 5, 152, x + 5, 164), fill=(40, 60, 40))
    pen.arc((205, 180, 275, 235), 20, 160, fill=(170, 50, 60), width=6)
    pen.polygon([(200, 285), (280, 285), (240, 345)], fill=(214, 64, 69))
    return picture.filter(ImageFilter.GaussianBlur(0.8))


def cut_out() -> Image.Image:
    """The portrait in a circle, the rest transparent."""
    mask = Image.new("L", SIZE, 0)
    ImageDraw.Draw(mask).ellipse((60, 5, 420, 355), fill=255)
    picture = portrait()
    picture.putalpha(mask.filter(ImageFilter.GaussianBlur(2)))
    return picture


def _turned() -> bytes:
    return encoded(portrait().transpose(Image.Transpose.ROTATE_90), "JPEG", quality=92, exif=exif(6))


SOURCES: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded(portrait(), "JPEG", quality=92),
    "JPEG, Exif 6": _turned,
    "JPEG, Display P3": lambda: encoded(portrait(), "JPEG", quality=92, icc_profile=rgb_profile()),
    "JPEG, CMYK": lambda: encoded(portrait().convert("CMYK"), "JPEG", quality=92),
    "JPEG, YCCK": lambda: ycck_jpeg(portrait()),
    "MPO": lambda: encoded(portrait(), "MPO", save_all=True, append_images=[portrait()], quality=92),
    "PNG": lambda: encoded(portrait(), "PNG"),
    "PNG, interlaced": lambda: interlaced_png(portrait()),
    "PNG, 16 bits": lambda: deep_png(portrait()),
    "PNG, alpha": lambda: encoded(cut_out(), "PNG"),
    "PNG, palette": lambda: encoded(portrait().quantize(32), "PNG"),
    "PNG, 16-bit grey": lambda: deep_png(portrait().convert("L")),
    "GIF": lambda: encoded(portrait().quantize(64), "GIF"),
    "TIFF, LZW": lambda: encoded(portrait(), "TIFF", compression="tiff_lzw"),
    "TIFF, tiles": lambda: tiled_tiff(portrait()),
    "TIFF, fax": lambda: encoded(portrait().convert("1"), "TIFF", compression="group4"),
    "WebP": lambda: encoded(portrait(), "WEBP", quality=90),
    "WebP, alpha": lambda: encoded(cut_out(), "WEBP", quality=90),
    "BMP": lambda: encoded(portrait(), "BMP"),
    "BMP, palette": lambda: encoded(portrait().quantize(32), "BMP"),
    "AVIF": lambda: encoded(portrait(), "AVIF", quality=80),
    "AVIF, alpha": lambda: encoded(cut_out(), "AVIF", quality=80),
    "HEIC": lambda: heic(portrait(), quality=80),
    "HEIC, alpha": lambda: heic(cut_out(), quality=80),
}


def sheet() -> Image.Image:
    """All results, transparency over a chequered ground, with what each came from and became."""
    rows = math.ceil(len(SOURCES) / COLUMNS)
    whole = Image.new("RGB", (COLUMNS * CELL + 10, rows * (CELL - 20 + LABEL) + 10), "white")
    pen, font = ImageDraw.Draw(whole), ImageFont.load_default(13)
    settings = PictureSettings(max_width=CELL - 16, max_height=CELL - 40)
    for i, (name, make) in enumerate(SOURCES.items()):
        left, top = 10 + i % COLUMNS * CELL, 10 + i // COLUMNS * (CELL - 20 + LABEL)
        picture = prepare(make(), settings, Deadline(60))
        with Image.open(BytesIO(picture.data)) as result:
            shown = result.convert("RGBA")
        whole.paste(_chequered(shown.size), (left, top))
        whole.paste(shown, (left, top), shown)
        kind = picture.content_type.removeprefix("image/").upper()
        pen.text(
            (left, top + CELL - 38),
            f"{name}\nbecomes {kind}, {len(picture.data) / 1000:.0f} kB",
            fill="black",
            font=font,
        )
    return whole


def _chequered(size: tuple[int, int]) -> Image.Image:
    ground = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(ground)
    for x in range(0, size[0], 10):
        for y in range(x // 10 % 2 * 10, size[1], 20):
            pen.rectangle((x, y, x + 9, y + 9), fill=(215, 215, 215))
    return ground


if __name__ == "__main__":
    sheet().quantize(255).save(SHEET, optimize=True)
