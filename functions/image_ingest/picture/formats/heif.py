"""HEIC and HEIF (ISO 23008-12), read by libheif, which turns what the container says is turned."""

from __future__ import annotations

from typing import Any

from pillow_heif import HeifImageFile

from image_ingest.errors import Rejected
from image_ingest.picture.formats import Source
from image_ingest.picture.formats.boxes import read_statements
from image_ingest.picture.formats.splice import open_file

_LARGEST_PART = 16 * 2**20  # bytes of a NAL unit; libde265 refuses larger ones, and says only that there is no picture
_NO_PICTURE = "did not give a decompressed image"
_TOO_LONG = (
    "The HEIF is coded in one part of more than 16 MiB, which its decoder does not take, or it is damaged. "
    "Export it with less quality, or as JPEG."
)


class _Heif(HeifImageFile):
    """Names the decoder's limit where that may be why a sound picture was not decoded."""

    size_in_file: int

    def load(self) -> Any:
        try:
            return super().load()  # type: ignore[no-untyped-call]  # it has no types
        except ValueError as error:
            if self.size_in_file <= _LARGEST_PART or _NO_PICTURE not in str(error):
                raise
            raise Rejected("image.unsupported-format", _TOO_LONG) from error


def open_heif(source: Source) -> HeifImageFile:
    """Raises whatever the decoder raises."""
    image = _Heif(open_file(source))  # type: ignore[no-untyped-call]  # it has no types
    image.size_in_file = len(source)
    stated = read_statements(source)
    if stated.is_turned:
        image.info.pop("original_orientation", None)  # of Exif, which the container overrules
    if stated.cicp is not None and not image.info.get("icc_profile"):
        image.info["cicp"] = stated.cicp
    return image
