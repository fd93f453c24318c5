"""Few pixels out of many: any mode → a small picture that colour management understands, alpha premultiplied.

Modes that cannot be resized directly are converted and reduced strip by strip, so that no converted copy of the whole
source is ever held.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

from PIL import Image

from image_ingest.picture.geometry import Box, Plan

GAP = 3.0  # reduce by whole numbers down to this many times the result's size, then LANCZOS
_FLAT = 0.2  # the share of one shade, which photos do not reach
_STRIP_PIXELS = 1 << 19
_WHITES = (1.0, 255.0, 65_535.0, 2.0**32 - 1)
_RESIZABLE = {"L", "RGB", "CMYK", "YCbCr", "LAB", "La", "RGBa"}
_GREY = {"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L"}


def shrink(image: Image.Image, plan: Plan) -> Image.Image:
    """A picture of `plan.size` in mode L, RGB, CMYK, YCbCr, LAB, La or RGBa."""
    flat, box = _reduce(image, plan)
    if flat.size == plan.size and box == (0, 0, *flat.size):
        return flat
    return flat.resize(plan.size, Image.Resampling.LANCZOS, box)


def has_flat_areas(image: Image.Image) -> bool:
    """Whether much of the picture is one shade, as in drawings and type, where every loss of sharpness shows."""
    histogram = image.convert("L").histogram()
    return max(map(sum, zip(histogram, histogram[1:], histogram[2:], strict=False))) > _FLAT * sum(histogram)


def _reduce(image: Image.Image, plan: Plan) -> tuple[Image.Image, Box]:
    """The whole image in a mode that can be resized, reduced by whole numbers, and the plan's box in it."""
    across, down = _choose_factors(plan)
    left, upper, right, lower = plan.box
    box = (left / across, upper / down, right / across, lower / down)
    if image.mode not in _RESIZABLE or "transparency" in image.info:
        return _convert_in_strips(image, across, down), box
    return image.reduce((across, down)) if across * down > 1 else image, box


def _convert_in_strips(image: Image.Image, across: int, down: int) -> Image.Image:
    mode, lowest = _choose_mode(image), 255.0
    flat = Image.new(mode, (math.ceil(image.width / across), math.ceil(image.height / down)))
    white = _find_white(image)
    for top, strip in _cut_strips(image, down):
        piece = _convert(strip, mode, white)
        if mode in ("La", "RGBa"):
            lowest = min(lowest, _get_extrema(piece.getchannel(piece.getbands()[-1]))[0])
        flat.paste(piece.reduce((across, down)) if across * down > 1 else piece, (0, top // down))
    return _drop_unused_alpha(flat, lowest)


def _drop_unused_alpha(flat: Image.Image, lowest: float) -> Image.Image:
    """Without its alpha channel if no pixel of the source uses it."""
    if flat.mode == "La" and lowest == 255:
        return flat.convert("LA").convert("L")
    if flat.mode == "RGBa" and lowest == 255:
        return flat.convert("RGBA").convert("RGB")
    return flat


def _choose_factors(plan: Plan) -> tuple[int, int]:
    left, upper, right, lower = plan.box
    return (
        max(1, int((right - left) / plan.size[0] / GAP)),
        max(1, int((lower - upper) / plan.size[1] / GAP)),
    )


def _cut_strips(image: Image.Image, multiple: int) -> Iterator[tuple[int, Image.Image]]:
    """Whole-width strips, each a `multiple` of rows high, with the row at which they begin."""
    rows = max(1, _STRIP_PIXELS // image.width // multiple) * multiple
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(image.height, top + rows)))


def _choose_mode(image: Image.Image) -> str:
    grey = image.mode in _GREY
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        return "La" if grey else "RGBa"
    return "L" if grey else "RGB"


def _find_white(image: Image.Image) -> float | None:
    """What is white in a picture of more than 8 bits; for 32 bits and floats the smallest usual value that fits."""
    if image.mode.startswith("I;16"):
        return 65_535.0
    if image.mode not in ("I", "F"):
        return None
    brightest = _get_extrema(image)[1]
    return next((white for white in _WHITES if brightest <= white), 2.0**32 - 1)


def _get_extrema(band: Image.Image) -> tuple[float, float]:
    """The least and the greatest value of a picture of one band."""
    return cast("tuple[float, float]", band.getextrema())


def _convert(strip: Image.Image, mode: str, white: float | None) -> Image.Image:
    if white is not None:
        return _convert_deep(strip, mode, white)
    if mode == "La":
        return strip.convert("LA").convert("La")
    if mode == "RGBa":
        return strip.convert("RGBA").convert("RGBa")
    return strip.convert(mode)


def _convert_deep(strip: Image.Image, mode: str, white: float) -> Image.Image:
    """More than 8 bits of grey, scaled to 8; one value may be named as transparent."""
    values = strip.convert("F")
    grey = values.point(lambda value: value * (255.0 / white) + 0.5).convert("L")
    if mode == "L":
        return grey
    clear = strip.info["transparency"]
    alpha = strip.convert("I").point([0 if value == clear else 255 for value in range(65_536)], "L")
    grey.putalpha(alpha)
    return grey.convert("La")
