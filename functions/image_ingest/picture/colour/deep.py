"""Grey of more than 8 bits: which value is white, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from PIL import Image, ImageChops, ImageMath

_WHITES = (1.0, 255.0, 65_535.0, 2.0**32 - 1)
_HUGE = 1e38  # infinity and what comes near it is no brightness


def is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def find_white(image: Image.Image, strips: Iterable[Image.Image]) -> float:
    """Of an image in mode I;16, I or F: for the latter two the smallest usual value that none of `strips` exceeds."""
    if image.mode.startswith("I;16"):
        return 65_535.0
    brightest = max(_find_brightest(read_values(strip)) for strip in strips)
    return next((white for white in _WHITES if brightest <= white), _WHITES[-1])


def read_values(strip: Image.Image) -> Image.Image:
    """In mode F, from 0 up. What is no number counts as 0."""
    values = strip.convert("F")
    if strip.info.get("unsigned"):  # Pillow reads 32 bits as signed
        lifted = ImageMath.lambda_eval(lambda a: a["v"] + (a["v"] < 0) * 2.0**32, v=values)
        return cast("Image.Image", lifted)
    if strip.mode != "F":
        return values
    sound = ImageMath.lambda_eval(lambda a: a["min"](a["max"](a["v"], 0.0), _HUGE), v=values)
    return cast("Image.Image", sound)


def scale_to_8_bits(values: Image.Image, white: float) -> Image.Image:
    """In mode L, from what `read_values` returns."""
    return values.point(lambda value: value * (255.0 / white) + 0.5).convert("L")


def convert_deep(strip: Image.Image, mode: str, white: float) -> Image.Image:
    """The strip in mode L or La; one value may be named as transparent."""
    grey = scale_to_8_bits(read_values(strip), white)
    if strip.info.get("inverted"):
        grey = ImageChops.invert(grey)
    if mode == "L":
        return grey
    clear = strip.info["transparency"]
    alpha = strip.convert("I").point([0 if value == clear else 255 for value in range(65_536)], "L")
    grey.putalpha(alpha)
    return grey.convert("La")


def _find_brightest(values: Image.Image) -> float:
    finite = ImageMath.lambda_eval(lambda a: a["v"] * (a["v"] < _HUGE), v=values)
    return cast("tuple[float, float]", cast("Image.Image", finite).getextrema())[1]
