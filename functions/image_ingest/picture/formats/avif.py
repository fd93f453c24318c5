"""AVIF."""

from __future__ import annotations

from PIL.AvifImagePlugin import AvifImageFile

from image_ingest.picture.formats import Source
from image_ingest.picture.formats.splice import open_file


def open_avif(source: Source) -> AvifImageFile:
    """Raises whatever the decoder raises."""
    return AvifImageFile(open_file(source))
