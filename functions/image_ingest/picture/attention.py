"""Where people look in a picture: faces first, of every skin tone; for crops.

On a small copy, four maps say how much each place stands out: skin, skin with detail in it (eyes, a mouth, a
hairline), detail, and brightness that differs from the surroundings. Skin is recognised by its hue, which all human
skin shares, hardly by its saturation, and not by its brightness. The crop is where the sum of the maps is greatest.
"""

from __future__ import annotations

from array import array
from itertools import accumulate

from PIL import Image, ImageChops, ImageFilter

from image_ingest.picture.colour import convert_to_srgb, find_colours
from image_ingest.picture.geometry import Plan
from image_ingest.picture.orientation import is_reversed, is_sideways, turn_upright
from image_ingest.picture.shrinking import shrink

_LEAST_CROP = 1.5  # pixels; less is the rounding of a JPEG decoded at a reduced size
_SAMPLED, _SMALL = 512, 128  # pixels of the longer side
_WEIGHTS = (4.0, 1.0, 0.5, 2.0)  # of the four maps; chosen on drawn portraits, see docs/pictures.md
_ROUGHLY = 0.97  # crops with so much of the best sum are as good; their mean is taken
_NEAR, _FAR = 0.05, 0.35  # of the shorter side: the size of a face's parts, and of its surroundings

_SKIN_HUE, _HUE_STEPS = 17, 2  # of 255: 24 degrees, orange
_HUE = [max(0, 255 - 11 * max(0, abs((value - _SKIN_HUE + 128) % 256 - 128) - _HUE_STEPS)) for value in range(256)]
_SATURATION = [min(255, max(0, (value - 10) * 255 // 30), max(0, 255 - (value - 165) * 5)) for value in range(256)]
_BRIGHTNESS = [min(255, max(0, (value - 10) * 12)) for value in range(256)]
_FOUR_TIMES = [min(255, 4 * value) for value in range(256)]


def move_crop(plan: Plan, image: Image.Image, orientation: int) -> Plan:
    """The plan with its box moved along the side that it crops, to where people look."""
    left, top, right, bottom = plan.box
    parts = right - left, bottom - top
    along = 0 if image.width - parts[0] > image.height - parts[1] else 1
    length, part = image.size[along], parts[along]
    if length - part < _LEAST_CROP:
        return plan
    upright = turn_upright(_make_small(image), orientation)
    profile = _make_profile(upright, along=1 - along if is_sideways(orientation) else along)
    if is_reversed(orientation, along):
        profile.reverse()
    start = _find_start(profile, part / length) * (length - part)
    if parts == plan.size:
        start = round(start)
    box = (start, top, start + part, bottom) if along == 0 else (left, start, right, start + part)
    return Plan(plan.size, box)


def _make_small(image: Image.Image) -> Image.Image:
    """The picture in RGB, on grey if it is transparent."""
    factor, colours = min(1.0, _SAMPLED / max(image.size)), find_colours(image.info)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    sampled = image.resize(size, Image.Resampling.NEAREST)
    small = shrink(sampled, Plan(size, (0, 0, *size))).reduce(_SAMPLED // _SMALL if factor < 1 else 1)
    opaque = convert_to_srgb(small.convert(small.mode.upper()) if small.mode in ("La", "RGBa") else small, colours)
    return Image.alpha_composite(Image.new("RGBA", opaque.size, "grey"), opaque.convert("RGBA")).convert("RGB")


def _make_profile(image: Image.Image, along: int) -> list[float]:
    """How much stands out at each step along the side."""
    maps = _make_maps(image)
    steps = maps[0].size[along]
    total = [0.0] * steps
    higher = Image.linear_gradient("L").point(lambda value: 255 - round(0.7 * value)).resize(maps[0].size)
    for band, weight in zip(maps, _WEIGHTS, strict=True):
        weighted = ImageChops.multiply(band, higher).convert("F")  # heads are above what they belong to
        greatest = max(1.0, float(band.getextrema()[1]))  # type: ignore[arg-type]  # one band has one pair
        line = weighted.resize((steps, 1) if along == 0 else (1, steps), Image.Resampling.BOX)
        total = [
            so_far + weight * value / greatest for so_far, value in zip(total, array("f", line.tobytes()), strict=True)
        ]
    return total


def _make_maps(image: Image.Image) -> tuple[Image.Image, ...]:
    detail = image.convert("L").filter(ImageFilter.FIND_EDGES).point(_FOUR_TIMES).reduce(2)
    image = image.reduce(2)
    skin, brightness = _find_skin(image), image.convert("L")
    near_skin, near_detail = _blur(skin, _NEAR), _blur(detail, _NEAR)
    return (
        ImageChops.subtract(near_skin, _blur(skin, _FAR)),
        ImageChops.multiply(near_skin, near_detail),
        ImageChops.subtract(near_detail, _blur(detail, _FAR)),
        ImageChops.difference(_blur(brightness, _NEAR), _blur(brightness, _FAR)),
    )


def _find_skin(image: Image.Image) -> Image.Image:
    hue, saturation, brightness = image.convert("HSV").split()
    coloured = ImageChops.multiply(hue.point(_HUE), saturation.point(_SATURATION))
    return ImageChops.multiply(coloured, brightness.point(_BRIGHTNESS))


def _blur(band: Image.Image, share: float) -> Image.Image:
    return band.filter(ImageFilter.GaussianBlur(share * min(band.size)))


def _find_start(profile: list[float], part: float) -> float:
    """Where a window of this share of the profile starts, from 0 to 1 of the places where it can."""
    window = max(1, round(part * len(profile)))
    sums = [0.0, *accumulate(profile)]
    found = [end - start for start, end in zip(sums, sums[window:], strict=False)]
    threshold = _ROUGHLY * max(found)
    weights = [max(0.0, value - threshold) for value in found]
    if len(found) == 1 or not any(weights):
        return 0.5
    return sum(start * weight for start, weight in enumerate(weights)) / sum(weights) / (len(found) - 1)
