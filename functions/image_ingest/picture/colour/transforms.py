"""LittleCMS' transforms to sRGB."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any, cast

from PIL import Image, ImageChops, ImageCms

from image_ingest.picture.colour.cicp import DISPLAY_P3, build_cicp_profile
from image_ingest.picture.colour.icc import MAX_PROFILE_BYTES

BROKEN = (ImageCms.PyCMSError, OSError, ValueError, KeyError)  # what a broken profile raises, now or when it is applied
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}


@lru_cache(maxsize=8)
def load_transform(profile: bytes) -> tuple[ImageCms.ImageCmsTransform, str] | None:
    """From the profile to sRGB, relative colorimetric with black-point compensation, and the mode that it takes.

    None if the profile is sRGB itself, broken, too large or for another colour space. The profiles in use for sRGB and
    Display P3, which most photos have, are recognised by what they make of some colours: that is quicker than a
    transform of their own (docs/pictures.md, "Speed").
    """
    if len(profile) > MAX_PROFILE_BYTES:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = _SPACES[opened.profile.xcolor_space]
        if mode == "RGB":
            samples = _convert_samples(opened)
            if _are_alike(samples, _sample_colours()):
                return None
            of_display_p3, transform = _prepare_display_p3()
            if _are_alike(samples, of_display_p3):
                return transform, mode
        return _build_transform(opened, mode), mode
    except BROKEN:
        return None


@lru_cache(maxsize=1)
def _prepare_display_p3() -> tuple[Image.Image, ImageCms.ImageCmsTransform]:
    """What Display P3 makes of the samples, and its transform."""
    profile = build_cicp_profile(DISPLAY_P3)
    assert profile is not None
    opened = ImageCms.ImageCmsProfile(BytesIO(profile))
    return _convert_samples(opened), _build_transform(opened, "RGB")


def _convert_samples(profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """The samples in sRGB, without the tables that make a whole picture's conversion quick: they take longer."""
    transform = _build_transform(profile, "RGB", _FLAGS | ImageCms.Flags.NOOPTIMIZE)
    converted = ImageCms.applyTransform(_sample_colours(), transform)
    assert converted is not None
    return converted


@lru_cache(maxsize=1)
def _sample_colours() -> Image.Image:
    levels = (0, 8, 16, 32, 64, 96, 128, 160, 192, 224, 255)
    colours = bytes(level for red in levels for green in levels for blue in levels for level in (red, green, blue))
    return Image.frombytes("RGB", (len(levels) ** 2, len(levels)), colours)


def _are_alike(one: Image.Image, other: Image.Image) -> bool:
    """Whether they differ nowhere by more than one step of 255."""
    return all(most <= 1 for _, most in cast("Any", ImageChops.difference(one, other).getextrema()))


@lru_cache(maxsize=1)
def build_lab_transform() -> ImageCms.ImageCmsTransform:
    """From LAB to sRGB."""
    return _build_transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")


def _build_transform(
    profile: ImageCms.ImageCmsProfile, mode: str, flags: ImageCms.Flags = _FLAGS
) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        profile, _create_srgb(), mode, "RGB", renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=flags
    )


@lru_cache(maxsize=1)
def _create_srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
