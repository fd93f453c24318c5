"""Drawn portraits: a person of any skin tone somewhere beside the middle, before backgrounds that draw the eye."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter

# The ten tones of the Monk Skin Tone scale, from light to dark.
TONES = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")
BACKGROUNDS = ("grey", "white", "night", "sky", "leaves", "wood", "bricks", "office", "sunset", "crowd-of-colours")
HAIR = ("1b1512", "3b2a1e", "6b4a2b", "b58b4c", "8d8d8d", "dcd6cc")
CLOTHES = ("20304f", "7a1f2b", "e8e8e8", "2f5d3a", "111111", "c9a227")
LONG, SHORT = 900, 600

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Portrait:
    """A picture, and where the face is in it: chin to forehead, ear to ear."""

    name: str
    image: Image.Image
    face: Box


def draw_portraits() -> Iterator[Portrait]:
    """Every tone before every background, in landscape and portrait format by turns."""
    for number, (tone, background) in enumerate((tone, back) for tone in range(len(TONES)) for back in BACKGROUNDS):
        yield draw_portrait(tone, background, upright=number % 2 == 1, seed=number)


def choose_portraits() -> list[Portrait]:
    """Sixteen people of all tones, the darkest as often as the lightest, before backgrounds in turn."""
    people = [tone * (len(TONES) - 1) // 15 for tone in range(16)]
    return [
        draw_portrait(
            tone, BACKGROUNDS[(3 * number + 2) % len(BACKGROUNDS)], upright=number % 2 == 1, seed=300 + number
        )
        for number, tone in enumerate(people)
    ]


@cache
def draw_portrait(tone: int, background: str, *, upright: bool, seed: int) -> Portrait:
    """One portrait; the same arguments draw the same."""
    chance = random.Random(seed)
    size = (SHORT, LONG) if upright else (LONG, SHORT)
    height = chance.randint(150, 250)  # of the face
    width = round(height * 0.74)
    if upright:
        centre = chance.randint(width, size[0] - width), _place(chance, size[1], height, low=0.12, high=0.62)
    else:
        centre = _place(chance, size[0], width, low=0.1, high=0.9), chance.randint(round(height * 0.75), 360)
    image = _draw_background(background, size, chance)
    _draw_distraction(image, centre, upright=upright, chance=chance)
    _draw_person(image, (*centre, width / 2, height / 2), TONES[tone], chance)
    image = _light(image, chance).filter(ImageFilter.GaussianBlur(1.2))
    image = ImageChops.add(image, _make_noise().crop((0, 0, *size)), 1, -128)
    x, y = centre
    face = (x - width // 2, y - height // 2, x + width // 2, y + height // 2)
    return Portrait(f"{tone + 1}-{background}", image, face)


@cache
def _make_noise() -> Image.Image:
    return Image.effect_noise((LONG, LONG), 14).convert("RGB")


def _place(chance: random.Random, length: int, face: int, *, low: float, high: float) -> int:
    """Towards one end, so that a crop at the centre cuts the face."""
    at = chance.choice([chance.uniform(low, low + 0.13), chance.uniform(high - 0.13, high)])
    return round(min(max(at * length, face * 0.62), length - face * 0.62))


def _draw_background(kind: str, size: tuple[int, int], chance: random.Random) -> Image.Image:
    plain = {"grey": "#9a9a98", "white": "#f4f4f2", "night": "#14161c"}
    if kind in plain:
        return Image.new("RGB", size, plain[kind])
    if kind in _SKIES:
        lower, upper = (Image.new("RGB", size, colour) for colour in _SKIES[kind])
        return Image.composite(lower, upper, Image.linear_gradient("L").resize(size))
    image = Image.new("RGB", size, "#8a5a35" if kind == "wood" else "#9a9a98")
    blur = _TEXTURES[kind](ImageDraw.Draw(image), size, chance)
    return image.filter(ImageFilter.GaussianBlur(blur)) if blur else image


def _draw_leaves(draw: ImageDraw.ImageDraw, size: tuple[int, int], chance: random.Random) -> int:
    for _ in range(900):
        x, y, radius = chance.randrange(size[0]), chance.randrange(size[1]), chance.randint(6, 26)
        green = (chance.randint(20, 90), chance.randint(70, 160), chance.randint(15, 70))
        draw.ellipse((x, y, x + radius, y + radius // 2), green)
    return 3


def _draw_wood(draw: ImageDraw.ImageDraw, size: tuple[int, int], chance: random.Random) -> int:
    for x in range(0, size[0], 75):
        shade = chance.randint(-18, 18)
        draw.rectangle((x, 0, x + 72, size[1]), (138 + shade, 90 + shade, 53 + shade // 2))
    return 0


def _draw_bricks(draw: ImageDraw.ImageDraw, size: tuple[int, int], chance: random.Random) -> int:
    for row, y in enumerate(range(0, size[1], 34)):
        for x in range(-40 * (row % 2), size[0], 80):
            shade = chance.randint(-22, 22)
            draw.rectangle((x, y, x + 75, y + 29), (150 + shade, 74 + shade, 58 + shade))
    return 0


def _draw_office(draw: ImageDraw.ImageDraw, size: tuple[int, int], _: random.Random) -> int:
    for x in range(0, size[0], 150):
        draw.rectangle((x, 0, x + 120, size[1]), ("#c9ced1", "#b9b3a4", "#dfe3e6")[x // 150 % 3])
        draw.rectangle((x + 20, 120, x + 90, 300), "#7d8a94")
    return 5


def _draw_colours(draw: ImageDraw.ImageDraw, size: tuple[int, int], chance: random.Random) -> int:
    for _ in range(60):
        x, y, radius = chance.randrange(size[0]), chance.randrange(size[1]), chance.randint(15, 60)
        colour = (chance.randint(40, 230), chance.randint(40, 230), chance.randint(40, 230))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)
    return 6


_SKIES = {"sky": ("#dce8f2", "#4f86c6"), "sunset": ("#f2913d", "#2b2a55")}
_TEXTURES = {
    "leaves": _draw_leaves,
    "wood": _draw_wood,
    "bricks": _draw_bricks,
    "office": _draw_office,
    "crowd-of-colours": _draw_colours,
}


def _draw_distraction(image: Image.Image, centre: tuple[int, int], *, upright: bool, chance: random.Random) -> None:
    """Something of strong colour or contrast at the other end: a flower, a sign, a lamp, or nothing."""
    draw = ImageDraw.Draw(image)
    along = 1 if upright else 0
    place = list(centre)
    place[along] = image.size[along] - centre[along]
    place[1 - along] = chance.randint(150, image.size[1 - along] - 150)
    x, y = place
    kind = chance.choice(["flower", "sign", "lamp", "none"])
    if kind == "flower":
        draw.ellipse((x - 45, y - 45, x + 45, y + 45), "#d81e3a")
        draw.ellipse((x - 14, y - 14, x + 14, y + 14), "#f5c518")
    elif kind == "sign":
        draw.rectangle((x - 70, y - 40, x + 70, y + 40), "#0b5cab")
        for line in range(3):
            draw.rectangle((x - 55, y - 25 + 18 * line, x + 55, y - 17 + 18 * line), "white")
    elif kind == "lamp":
        draw.ellipse((x - 40, y - 40, x + 40, y + 40), "#fff6d5")


def _draw_person(image: Image.Image, face: tuple[float, float, float, float], tone: str, chance: random.Random) -> None:
    """`face`: its centre, half its width and half its height."""
    draw = ImageDraw.Draw(image)
    x, y, w, h = face
    skin, hair = ImageColor.getrgb(f"#{tone}"), f"#{chance.choice(HAIR[:3] if int(tone, 16) < 0xB00000 else HAIR)}"
    clothes = f"#{chance.choice(CLOTHES)}"
    shoulders = y + 1.35 * h
    draw.rounded_rectangle((x - 2.6 * w, shoulders, x + 2.6 * w, image.height + 200), 1.2 * w, clothes)
    draw.rounded_rectangle((x - 0.5 * w, y + 0.5 * h, x + 0.5 * w, shoulders + 0.3 * h), 0.3 * w, _shade(skin, 0.78))
    draw.ellipse((x - 1.18 * w, y - 1.3 * h, x + 1.18 * w, y + 0.55 * h), hair)
    draw.ellipse((x - 1.1 * w, y - 0.2 * h, x + 1.1 * w, y + 0.2 * h), _shade(skin, 0.85))  # ears
    draw.ellipse((x - w, y - h, x + w, y + h), skin)
    draw.ellipse((x + 0.1 * w, y - 0.75 * h, x + 0.95 * w, y + 0.8 * h), _shade(skin, 0.93))  # the side in shade
    for side in (-1, 1):
        eye = x + side * 0.42 * w
        draw.line((eye - 0.2 * w, y - 0.32 * h, eye + 0.2 * w, y - 0.34 * h), hair, max(2, round(h / 20)))
        draw.ellipse((eye - 0.17 * w, y - 0.2 * h, eye + 0.17 * w, y - 0.06 * h), "#f1efec")
        draw.ellipse((eye - 0.07 * w, y - 0.19 * h, eye + 0.07 * w, y - 0.07 * h), "#2d1d14")
    draw.line((x, y - 0.1 * h, x + 0.1 * w, y + 0.22 * h), _shade(skin, 0.75), max(2, round(h / 25)))
    draw.ellipse((x - 0.35 * w, y + 0.42 * h, x + 0.35 * w, y + 0.6 * h), _blend(skin, (150, 50, 60)))


def _light(image: Image.Image, chance: random.Random) -> Image.Image:
    """Brighter on one side, as by a window; darker or lighter as a whole."""
    ramp = Image.linear_gradient("L").rotate(chance.choice([0, 90, 180, 270])).resize(image.size)
    ramp = ramp.point(lambda value: 170 + value // 3)
    exposure = chance.uniform(0.75, 1.15)
    lit = ImageChops.multiply(image, ramp.convert("RGB"))
    return lit.point(lambda value: min(255, round(value * exposure)))


def _shade(colour: tuple[int, ...], factor: float) -> tuple[int, ...]:
    return tuple(round(value * factor) for value in colour)


def _blend(colour: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple((value * 3 + toward * 2) // 5 for value, toward in zip(colour, other, strict=True))
