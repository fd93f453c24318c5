"""One picture that shows each upload as it was sent and as SuperOffice has it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

_CELL, _CAPTION, _MARGIN = 260, 84, 24  # pixels
_PAPER, _INK, _FAINT, _RED = "#f4f2ee", "#22282e", "#6c7680", "#a3342c"


@dataclass(frozen=True)
class Comparison:
    """One upload: its bytes, and the bytes that SuperOffice has or, if that is None, the reason why it has none."""

    name: str
    about: str
    before: bytes
    target: str
    after: bytes | None
    refusal: str


def draw_contact_sheet(comparisons: Sequence[Comparison]) -> Image.Image:
    """Before above after, one column for each upload."""
    width = _MARGIN + len(comparisons) * (_CELL + _MARGIN)
    height = 2 * (_CELL + _CAPTION) + 3 * _MARGIN
    sheet = Image.new("RGB", (width, height), _PAPER)
    for number, row in enumerate(comparisons):
        left = _MARGIN + number * (_CELL + _MARGIN)
        _draw_picture(sheet, (left, _MARGIN), row.before, row.name, row.about)
        top = 2 * _MARGIN + _CELL + _CAPTION
        if row.after is None:
            _draw_refusal(sheet, (left, top), row.refusal)
        else:
            _draw_picture(sheet, (left, top), row.after, f"SuperOffice: {row.target}", "")
    return sheet


def _describe(data: bytes) -> str:
    """Format, size and bytes of a picture as stored, before its orientation is applied."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            kind = f"{image.format} {image.mode} {image.width} x {image.height}"
    except UnidentifiedImageError:
        kind = "no picture"
    return f"{kind}, {max(1, len(data) // 1000)} kB."


def _draw_picture(sheet: Image.Image, corner: tuple[int, int], data: bytes, title: str, note: str) -> None:
    left, top = corner
    try:
        with Image.open(io.BytesIO(data)) as source:
            picture = source.convert("RGBA" if source.has_transparency_data else "RGB").convert("RGBA")
        picture.thumbnail((_CELL, _CELL))
        place = left + (_CELL - picture.width) // 2, top + (_CELL - picture.height) // 2
        sheet.paste(_draw_checkerboard(picture.size), place)
        sheet.paste(picture, place, picture)
    except UnidentifiedImageError:
        _draw_text(sheet, (left + 8, top + 8), data[:120].decode("ascii", "replace"), _FAINT)
    _draw_text(sheet, (left, top + _CELL + 4), title, _INK, size=16)
    _draw_text(sheet, (left, top + _CELL + 26), f"{_describe(data)} {note}", _FAINT)


def _draw_refusal(sheet: Image.Image, corner: tuple[int, int], reason: str) -> None:
    left, top = corner
    ImageDraw.Draw(sheet).rectangle((left, top, left + _CELL, top + _CELL), outline=_RED, width=2)
    _draw_text(sheet, (left + 12, top + 12), "not stored", _RED, size=16)
    _draw_text(sheet, (left + 12, top + 36), reason, _RED)


def _draw_text(sheet: Image.Image, place: tuple[int, int], text: str, colour: str, size: int = 13) -> None:
    font = ImageFont.load_default(size)
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > _CELL - 16:
            lines.append(line)
            longer = word
        line = longer
    ImageDraw.Draw(sheet).multiline_text(place, "\n".join([*lines, line]), colour, font, spacing=3)


def _draw_checkerboard(size: tuple[int, int], square: int = 12) -> Image.Image:
    board = Image.new("RGB", size, "#ffffff")
    draw = ImageDraw.Draw(board)
    for y in range(0, size[1], square):
        for x in range((y // square % 2) * square, size[0], 2 * square):
            draw.rectangle((x, y, x + square - 1, y + square - 1), fill="#d8d8d8")
    return board
