"""Any colour space → sRGB, after the resize, when there are few pixels left."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, cast

from PIL import Image, ImageChops, ImageCms

from image_ingest.picture.colour.cicp import Cicp, build_cicp_profile, is_high_dynamic_range, map_tones
from image_ingest.picture.colour.icc import MAX_PROFILE_BYTES

_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_BROKEN = (ImageCms.PyCMSError, OSError, ValueError, KeyError)
_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}


Colours = bytes | Cicp | None  # an ICC profile, or numbers; None for sRGB


def find_colours(info: Mapping[Any, Any]) -> Colours:
    """What a picture's `info` states, the numbers first, as PNG wants it."""
    cicp, profile = info.get("cicp"), info.get("icc_profile")
    if cicp is None:
        return profile
    return cicp if is_high_dynamic_range(cicp) else build_cicp_profile(cicp)


def convert_to_srgb(image: Image.Image, colours: Colours) -> Image.Image:
    """An L, LA, RGB or RGBA picture in sRGB, from `image` in L, LA, RGB, RGBA, CMYK, YCbCr or LAB.

    A broken profile, or one for another colour space, counts as none, and none counts as sRGB. An RGB picture may be
    converted in place.
    """
    if image.mode in ("LA", "RGBA"):
        alpha = image.getchannel("A")
        opaque = convert_to_srgb(image.convert(image.mode[:-1]), colours)
        opaque.putalpha(alpha)
        return opaque
    if image.mode == "LAB":
        return _apply_transform(image, _build_lab_transform())
    if isinstance(colours, tuple):
        return map_tones(image.convert("RGB"), colours)
    return _apply_profile(image, colours) or _assume_srgb(image)


def _assume_srgb(image: Image.Image) -> Image.Image:
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _apply_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """The picture in sRGB, or None if the profile does not fit it."""
    known = _load_transform(profile) if profile else None
    if known is None:
        return None
    transform, mode = known
    if mode != image.mode and (mode, image.mode) not in (("RGB", "L"), ("RGB", "YCbCr")):
        return None
    try:
        result = _apply_transform(image if image.mode == mode else image.convert(mode), transform)
    except _BROKEN:
        return None
    return result.convert("L") if image.mode == "L" else result


def _apply_transform(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    if image.mode == "RGB":
        ImageCms.applyTransform(image, transform, inPlace=True)
        return image
    result = ImageCms.applyTransform(image, transform)
    assert result is not None
    return result


@lru_cache(maxsize=8)
def _load_transform(profile: bytes) -> tuple[ImageCms.ImageCmsTransform, str] | None:
    """From the profile to sRGB, relative colorimetric with black-point compensation, and the mode that it takes.

    None if the profile is sRGB itself, broken, too large or for another colour space.
    """
    if len(profile) > MAX_PROFILE_BYTES:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = _SPACES[opened.profile.xcolor_space]
        transform = _build_transform(opened, mode)
        return None if mode == "RGB" and _changes_nothing(transform) else (transform, mode)
    except _BROKEN:
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether it is from sRGB: the profiles in use under that name change no colour by more than a step of 255."""
    samples = _sample_colours()
    converted = ImageCms.applyTransform(samples, transform)
    assert converted is not None
    return all(most <= 1 for _, most in cast("Any", ImageChops.difference(samples, converted).getextrema()))


@lru_cache(maxsize=1)
def _sample_colours() -> Image.Image:
    """Every 15th step of red, green and blue."""
    steps = range(0, 256, 15)
    colours = bytes(level for red in steps for green in steps for blue in steps for level in (red, green, blue))
    return Image.frombytes("RGB", (len(steps) ** 2, len(steps)), colours)


@lru_cache(maxsize=1)
def _build_lab_transform() -> ImageCms.ImageCmsTransform:
    return _build_transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")


def _build_transform(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        profile, _create_srgb(), mode, "RGB", renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=_FLAGS
    )


@lru_cache(maxsize=1)
def _create_srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
