"""Bytes of any accepted format → an upright, bounded sRGB picture without metadata, or a refusal that says why.

Pillow is imported when the first picture is made or `warm_up` is called, not before. What decodes needs a system that
can fork, and is imported at its first use: the command line identifies formats on Windows too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from image_ingest.picture.formats import HEAD_BYTES, identify_format
from image_ingest.picture.picture import Picture

if TYPE_CHECKING:
    from image_ingest.picture.isolation import reap_children
    from image_ingest.picture.preparation import Preparation, prepare, warm_up

__all__ = ["HEAD_BYTES", "Picture", "Preparation", "identify_format", "prepare", "reap_children", "warm_up"]

_MODULES = {
    "reap_children": "isolation",
    "Preparation": "preparation",
    "prepare": "preparation",
    "warm_up": "preparation",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(import_module(f"image_ingest.picture.{_MODULES[name]}"), name)
