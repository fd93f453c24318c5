"""HEIF."""

from __future__ import annotations

from pillow_heif import HeifImageFile

from image_ingest.picture.formats import Source
from image_ingest.picture.formats.splice import open_file


def open_heif(source: Source) -> HeifImageFile:
    """Raises whatever the decoder raises."""
    return HeifImageFile(open_file(source))  # type: ignore[no-untyped-call]  # it has no types
