"""HEIC and HEIF (ISO 23008-12), read by libheif, which turns what the container says is turned."""

from __future__ import annotations

from pillow_heif import HeifImageFile

from image_ingest.picture.formats import Source
from image_ingest.picture.formats.boxes import read_statements
from image_ingest.picture.formats.splice import open_file


def open_heif(source: Source) -> HeifImageFile:
    """Raises whatever the decoder raises."""
    image = HeifImageFile(open_file(source))  # type: ignore[no-untyped-call]  # it has no types
    stated = read_statements(source)
    if stated.is_turned:
        image.info.pop("original_orientation", None)  # of Exif, which the container overrules
    if stated.cicp is not None and not image.info.get("icc_profile"):
        image.info["cicp"] = stated.cicp
    return image
