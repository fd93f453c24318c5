"""Pictures to measure with, made from numbers: detail at every scale as photos have it, Display P3, turned."""

from __future__ import annotations

import importlib
import random
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from tests import ROOT
from tests.pictures.makers import encoded, exif
from tests.pictures.profiles import DISPLAY_P3, curved_profile

np: Any = importlib.import_module("numpy")

SIZES = {2: (1632, 1224), 12: (4032, 3024), 24: (6000, 4000), 48: (8064, 6048)}
FOLDER = ROOT / "build" / "bench"
_OCTAVE_FADE = 0.72  # near the 1/f spectrum of natural scenes
_GRAIN = 5.0


def photo_file(megapixels: int, *, progressive: bool = False) -> Path:
    """A JPEG of quality 93, made once and kept under build/."""
    path = FOLDER / f"p3-{megapixels}{'-progressive' if progressive else ''}.jpg"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        options = {
            "quality": 93,
            "icc_profile": curved_profile(DISPLAY_P3),
            "exif": exif(6),
            "progressive": progressive,
        }
        path.write_bytes(encoded(photo(*SIZES[megapixels]), "JPEG", **options))
    return path


def photo(width: int, height: int, seed: int = 1) -> Image.Image:
    """Clouds of many sizes in two colours, and grain."""
    chance = np.random.default_rng(seed)
    light, tint = (_octaves(chance, width, height) for _ in range(2))
    light += 128 + chance.standard_normal((height, width), np.float32) * _GRAIN
    planes = [Image.fromarray(np.clip(light + share * tint, 0, 255).astype(np.uint8)) for share in (0.35, 0, -0.35)]
    return Image.merge("RGB", planes)


def _octaves(chance: Any, width: int, height: int) -> Any:
    total = np.zeros((height, width), np.float32)
    cells, strength = 4, 48.0
    while cells < width // 2:
        grid = chance.standard_normal((max(2, cells * height // width), cells), np.float32) * strength
        total += np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))
        cells, strength = cells * 2, strength * _OCTAVE_FADE
    return total


def small_type(width: int, height: int) -> Image.Image:
    """A page of words, about 8 pixels high when it is 512 wide."""
    chance, size = random.Random(1), width * 8 // 512
    page = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size)
    for y in range(10, height - size, size * 7 // 5):
        words = ("".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(40))
        pen.text((20, y), " ".join(words), fill=(20, 20, chance.choice((20, 160))), font=font)
    return page


def line_art(width: int, height: int) -> Image.Image:
    """Rays and bars in black and white."""
    drawing = Image.new("L", (width, height), 255)
    pen = ImageDraw.Draw(drawing)
    for turn in range(180):
        x, y = np.cos(turn * np.pi / 90), np.sin(turn * np.pi / 90)
        pen.line((width / 2, height / 2, width / 2 * (1 + x), height / 2 * (1 + y)), fill=0, width=3)
    for left in range(0, width, 40):
        pen.rectangle((left, height * 3 // 4, left + 14, height), fill=0)
    return drawing
