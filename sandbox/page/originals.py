"""An upload as it was sent: its properties, and how it looks to a program that ignores them."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

from botocore.exceptions import ClientError
from PIL import Image, UnidentifiedImageError
from pillow_heif import register_heif_opener

from sandbox.aws import DeployedStack

_PREVIEW, _THUMBNAIL = 900, 96  # pixels
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
        self._describe_once = lru_cache(maxsize=16)(self._describe)
        self._shrink_once = lru_cache(maxsize=256)(self._shrink)
        register_heif_opener()

    def read_facts(self, key: str, version: str) -> dict[str, Any]:
        """Key, number of bytes and, for a picture, its properties."""
        return self._describe_once(key, version)[0]

    def make_preview(self, key: str, version: str) -> bytes | None:
        """A PNG of at most 900 x 900 pixels, as stored: not rotated, without colour management. None if no picture."""
        return self._describe_once(key, version)[1]

    def make_thumbnail(self, key: str, version: str) -> bytes | None:
        """A PNG of at most 96 x 96 pixels, as stored. None if it is not a picture, or has been deleted."""
        try:
            return self._shrink_once(key, version)
        except (ClientError, *_UNREADABLE):
            return None

    def _read(self, key: str, version: str) -> bytes:
        data: bytes = self._s3.get_object(Bucket=self._bucket, Key=key, VersionId=version)["Body"].read()
        return data

    def _shrink(self, key: str, version: str) -> bytes:
        with Image.open(io.BytesIO(self._read(key, version))) as image:
            return _draw(image, _THUMBNAIL)

    def _describe(self, key: str, version: str) -> tuple[dict[str, Any], bytes | None]:
        data = self._read(key, version)
        facts: dict[str, Any] = {"key": key, "bytes": len(data)}
        try:
            with Image.open(io.BytesIO(data)) as image:
                facts |= _read_facts(image)
                return facts, _draw(image, _PREVIEW)
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


def _draw(image: Image.Image, bound: int) -> bytes:
    if image.format == "JPEG" and image.mode == "RGB":
        image.draft("RGB", (bound, bound))
    picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
    picture.thumbnail((bound, bound))
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def shrink_picture(data: bytes, bound: int) -> bytes:
    """The picture within `bound` x `bound` pixels, in its own format."""
    with Image.open(io.BytesIO(data)) as image:
        form, picture = image.format, image
        picture.thumbnail((bound, bound))
        out = io.BytesIO()
        picture.save(out, form, quality=85)
        return out.getvalue()
