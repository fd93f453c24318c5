"""Any colour space → sRGB, after the resize, when there are few pixels left."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 8 * 2**20
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_BROKEN = (ImageCms.PyCMSError, OSError, ValueError, KeyError)
_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}


def get_ready_for(profile: bytes | None) -> None:
    """Does the part of `to_srgb` that needs no picture yet."""
    if profile:
        _transform(profile)


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An L, LA, RGB or RGBA picture in sRGB.

    `profile` is the ICC profile embedded in `image` (L, LA, RGB, RGBA, CMYK, YCbCr, LAB); a broken or unfitting one
    counts as none, and no profile counts as sRGB.
    """
    if image.mode in ("LA", "RGBA"):
        alpha = image.getchannel("A")
        opaque = to_srgb(image.convert(image.mode[:-1]), profile)
        opaque.putalpha(alpha)
        return opaque
    if image.mode == "LAB":
        return _apply(image, _lab_transform())
    return _by_profile(image, profile) or _without_profile(image)


def _without_profile(image: Image.Image) -> Image.Image:
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _by_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    known = _transform(profile) if profile else None
    if known is None:
        return None
    transform, mode = known
    if mode != image.mode and (mode, image.mode) not in (("RGB", "L"), ("RGB", "YCbCr")):
        return None
    try:
        result = _apply(image.convert(mode), transform)
    except _BROKEN:
        return None
    return result.convert("L") if image.mode == "L" else result


def _apply(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    if image.mode == "RGB":
        ImageCms.applyTransform(image, transform, inPlace=True)
        return image
    result = ImageCms.applyTransform(image, transform)
    assert result is not None
    return result


@lru_cache(maxsize=8)
def _transform(profile: bytes) -> tuple[ImageCms.ImageCmsTransform, str] | None:
    """From the profile to sRGB, relative colorimetric with black-point compensation, and the mode that it takes.

    None where the profile is broken, too large or for another colour space.
    """
    if len(profile) > MAX_PROFILE_BYTES:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = _SPACES[opened.profile.xcolor_space]
        return _build(opened, mode), mode
    except _BROKEN:
        return None


@lru_cache(maxsize=1)
def _lab_transform() -> ImageCms.ImageCmsTransform:
    return _build(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")


def _build(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        profile, _srgb(), mode, "RGB", renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=_FLAGS
    )


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
