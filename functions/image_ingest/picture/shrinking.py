"""Few pixels out of many: any mode → a small picture that colour management understands, alpha premultiplied.

Modes that cannot be resized directly are converted strip by strip, so that no converted copy of the whole source is
ever held.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

from PIL import Image

from image_ingest.picture.colour.deep import convert_deep, find_white, is_deep
from image_ingest.picture.geometry import Plan, choose_factors

_SAMPLED = 256  # pixels of the longer side
_FLAT = 0.2  # the share of one shade, which photos do not reach
_STRIP_PIXELS = 1 << 19
_REACH = 4  # pixels of the result that LANCZOS looks at on either side, and one for rounding
_RESIZABLE = {"L", "RGB", "CMYK", "YCbCr", "LAB", "La", "RGBa"}
_GREY = {"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L"}


def shrink(image: Image.Image, plan: Plan, resampling: Image.Resampling = Image.Resampling.LANCZOS) -> Image.Image:
    """A picture of `plan.size` in mode L, RGB, CMYK, YCbCr, LAB, La or RGBa."""
    left, upper, right, lower = plan.box
    across, down = choose_factors((right - left, lower - upper), plan.size)
    if image.mode not in _RESIZABLE or "transparency" in image.info:
        if across * down == 1:
            return _resize_in_strips(image, plan)
        image = _reduce_in_strips(image, across, down)
    elif across * down > 1:
        image = image.reduce((across, down))
    return _resize(image, Plan(plan.size, (left / across, upper / down, right / across, lower / down)), resampling)


def _resize(image: Image.Image, plan: Plan, resampling: Image.Resampling = Image.Resampling.LANCZOS) -> Image.Image:
    if image.size == plan.size and plan.box == (0, 0, *image.size):
        return image
    return image.resize(plan.size, resampling, plan.box)


def has_flat_areas(image: Image.Image) -> bool:
    """Whether much of the picture is one shade, as in drawings and type, where every loss of sharpness shows."""
    factor = min(1.0, _SAMPLED / max(image.size))
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    histogram = image.resize(size, Image.Resampling.NEAREST).convert("L").histogram()
    return max(map(sum, zip(histogram, histogram[1:], histogram[2:], strict=False))) > _FLAT * sum(histogram)


def _reduce_in_strips(image: Image.Image, across: int, down: int) -> Image.Image:
    """The image in a mode that can be resized, smaller by these factors."""
    convert = _Conversion(image)
    small = Image.new(convert.mode, (math.ceil(image.width / across), math.ceil(image.height / down)))
    rows = max(1, _STRIP_PIXELS // image.width // down) * down
    for top in range(0, image.height, rows):
        small.paste(convert(top, top + rows).reduce((across, down)), (0, top // down))
    return convert.drop_unused_alpha(small)


def _resize_in_strips(image: Image.Image, plan: Plan) -> Image.Image:
    """The same at less than the smallest factor: each strip of the result from the rows that its filter looks at."""
    convert = _Conversion(image)
    result = Image.new(convert.mode, plan.size)
    (width, height), (left, upper, right, lower) = plan.size, plan.box
    scale = (lower - upper) / height
    rows = max(1, int(_STRIP_PIXELS / image.width / scale))
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        above, below = upper + top * scale, min(lower, upper + bottom * scale)
        first = max(0, math.floor(above - _REACH * scale))
        strip = convert(first, math.ceil(below + _REACH * scale))
        box = (left, above - first, right, min(below - first, strip.height))
        result.paste(_resize(strip, Plan((width, bottom - top), box)), (0, top))
    return convert.drop_unused_alpha(result)


class _Conversion:
    """Strips of an image in a mode that can be resized."""

    def __init__(self, image: Image.Image) -> None:
        self.mode = _choose_mode(image)
        self._image = image
        self._white = find_white(image, _cut_strips(image)) if is_deep(image) else None
        self._lowest_alpha = 255.0

    def __call__(self, top: int, bottom: int) -> Image.Image:
        """These rows, as far as there are any."""
        image = self._image
        strip = _convert(image.crop((0, top, image.width, min(image.height, bottom))), self.mode, self._white)
        if self.mode in ("La", "RGBa"):
            alpha = strip.getchannel(strip.getbands()[-1])
            self._lowest_alpha = min(self._lowest_alpha, _get_extrema(alpha)[0])
        return strip

    def drop_unused_alpha(self, image: Image.Image) -> Image.Image:
        """Without its alpha channel, if no pixel of the strips used it."""
        if not self.mode.endswith("a") or self._lowest_alpha < 255:
            return image
        return image.convert("LA").convert("L") if self.mode == "La" else image.convert("RGBA").convert("RGB")


def _cut_strips(image: Image.Image) -> Iterator[Image.Image]:
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(image.height, top + rows)))


def _choose_mode(image: Image.Image) -> str:
    grey = image.mode in _GREY
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        return "La" if grey else "RGBa"
    return "L" if grey else "RGB"


def _get_extrema(band: Image.Image) -> tuple[float, float]:
    """The least and the greatest value of a picture of one band."""
    return cast("tuple[float, float]", band.getextrema())


def _convert(strip: Image.Image, mode: str, white: float | None) -> Image.Image:
    if white is not None:
        return convert_deep(strip, mode, white)
    if mode == "La":
        return strip.convert("LA").convert("La")
    if mode == "RGBa":
        return strip.convert("RGBA").convert("RGBa")
    return strip.convert(mode)
