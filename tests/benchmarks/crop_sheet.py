"""Writes docs/crops.png: drawn portraits of sixteen people, and both crops of each, as the function makes them."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from image_ingest.deadline import Deadline
from image_ingest.picture import prepare
from image_ingest.settings import Crop, PictureSettings
from tests import ROOT
from tests.pictures.makers import encoded
from tests.pictures.portraits import Portrait, choose_portraits

_COLUMNS, _WIDTH, _SOURCE, _CROP, _TEXT = 8, 136, 88, 64, 14


def draw_sheet(portraits: list[Portrait]) -> Image.Image:
    """One cell for each: the picture, below it the crop at the centre and the crop by attention."""
    rows = -(-len(portraits) // _COLUMNS)
    height = _SOURCE + _CROP + _TEXT + 12
    sheet = Image.new("RGB", (_COLUMNS * _WIDTH, rows * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for number, portrait in enumerate(portraits):
        left, top = number % _COLUMNS * _WIDTH, number // _COLUMNS * height
        source = portrait.image.copy()
        source.thumbnail((_WIDTH - 4, _SOURCE))
        sheet.paste(source, (left + (_WIDTH - source.width) // 2, top))
        crops: tuple[tuple[Crop, int], ...] = (("centre", 2), ("attention", _CROP + 6))
        for crop, offset in crops:
            sheet.paste(_make_crop(portrait, crop), (left + offset, top + _SOURCE + 2))
            draw.text((left + offset, top + _SOURCE + _CROP + 3), crop, "#333333", font)
    return sheet


def _make_crop(portrait: Portrait, crop: Crop) -> Image.Image:
    settings = PictureSettings(max_width=_CROP, max_height=_CROP, fit="cover", crop=crop)
    picture = prepare(encoded(portrait.image, "JPEG", quality=95), settings, Deadline(60))
    return Image.open(BytesIO(picture.data)).convert("RGB")


def main() -> None:
    sheet = draw_sheet(choose_portraits()).quantize(160)
    sheet.save(ROOT / "docs" / "crops.png", optimize=True)


if __name__ == "__main__":
    main()
