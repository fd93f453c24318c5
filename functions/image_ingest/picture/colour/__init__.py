"""Any colour space → sRGB, after the resize, when there are few pixels left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageCms

from image_ingest.picture.colour.cicp import Cicp, build_cicp_profile, is_high_dynamic_range, map_tones
from image_ingest.picture.colour.transforms import BROKEN, build_lab_transform, load_transform

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
        return _apply_transform(image, build_lab_transform())
    if isinstance(colours, tuple):
        return map_tones(image.convert("RGB"), colours)
    return _apply_profile(image, colours) or _assume_srgb(image)


def _assume_srgb(image: Image.Image) -> Image.Image:
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _apply_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """The picture in sRGB, or None if the profile does not fit it."""
    known = load_transform(profile) if profile else None
    if known is None:
        return None
    transform, mode = known
    if mode != image.mode and (mode, image.mode) not in (("RGB", "L"), ("RGB", "YCbCr")):
        return None
    try:
        result = _apply_transform(image if image.mode == mode else image.convert(mode), transform)
    except BROKEN:
        return None
    return result.convert("L") if image.mode == "L" else result


def _apply_transform(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    if image.mode == "RGB":
        ImageCms.applyTransform(image, transform, inPlace=True)
        return image
    result = ImageCms.applyTransform(image, transform)
    assert result is not None
    return result
