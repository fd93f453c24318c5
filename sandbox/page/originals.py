"""An upload as it was sent: its properties, and how it looks to a program that ignores them."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

from PIL import Image, UnidentifiedImageError
from pillow_heif import register_heif_opener

from sandbox.aws import DeployedStack

_BOUND = 900  # pixels
_TURNS = {
    2: "mirrored",
    3: "upside down",
    4: "mirrored, upside down",
    5: "mirrored, on its side",
    6: "on its side",
    7: "mirrored, on its side",
    8: "on its side",
}
_ORIENTATION, _GPS = 0x0112, 0x8825
_UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class Originals:
    """The objects in the upload bucket."""

    def __init__(self, stack: DeployedStack) -> None:
        self._s3 = stack.aws.client("s3")
        self._bucket = stack.outputs["UploadBucketName"]
        self._describe_once = lru_cache(maxsize=64)(self._describe)
        register_heif_opener()

    def read_facts(self, key: str, version: str) -> dict[str, Any]:
        """Key, number of bytes and, for a picture, its properties."""
        return self._describe_once(key, version)[0]

    def make_preview(self, key: str, version: str) -> bytes | None:
        """A PNG of at most 900 x 900 pixels, as stored: not rotated, without colour management. None if no picture."""
        return self._describe_once(key, version)[1]

    def _describe(self, key: str, version: str) -> tuple[dict[str, Any], bytes | None]:
        data = self._s3.get_object(Bucket=self._bucket, Key=key, VersionId=version)["Body"].read()
        facts: dict[str, Any] = {"key": key, "bytes": len(data)}
        try:
            with Image.open(io.BytesIO(data)) as image:
                facts |= _read_facts(image)
                return facts, _draw_preview(image)
        except _UNREADABLE:
            return facts, None


def _read_facts(image: Image.Image) -> dict[str, Any]:
    exif = image.getexif()
    return {
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "mode": image.mode,
        "turned": _TURNS.get(exif.get(_ORIENTATION, 1)),
        "gps": bool(exif.get_ifd(_GPS)),
        "metadata": bool(exif),
        "transparent": image.has_transparency_data,
    }


def _draw_preview(image: Image.Image) -> bytes:
    if image.format == "JPEG" and image.mode == "RGB":
        image.draft("RGB", (_BOUND, _BOUND))
    picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
    picture.thumbnail((_BOUND, _BOUND))
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()
