"""Bytes of any accepted format → an upright, bounded sRGB picture without metadata, or a refusal that says why.

Pillow is imported when the first picture is made or `warm_up` is called, not before.
"""

from __future__ import annotations

from image_ingest.picture.formats import HEAD_BYTES, identify_format
from image_ingest.picture.isolation import reap_children
from image_ingest.picture.picture import Picture
from image_ingest.picture.preparation import Preparation, prepare, warm_up

__all__ = ["HEAD_BYTES", "Picture", "Preparation", "identify_format", "prepare", "reap_children", "warm_up"]
