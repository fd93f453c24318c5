"""Bytes of any accepted format → an upright, bounded sRGB picture without metadata, or a refusal that says why.

Pillow is imported by the process that decodes, never by this one. What starts it needs a system that can fork, and is
imported at its first use: the command line identifies formats on Windows too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from image_ingest.picture.formats import HEAD_BYTES, identify_format
from image_ingest.picture.memory import limit_source
from image_ingest.picture.picture import Picture

if TYPE_CHECKING:
    from image_ingest.picture.preparation import Preparation, prepare, probe_decoder, stop, warm_up

__all__ = [
    "HEAD_BYTES",
    "Picture",
    "Preparation",
    "identify_format",
    "limit_source",
    "prepare",
    "probe_decoder",
    "stop",
    "warm_up",
]

_DECODING = ("Preparation", "prepare", "probe_decoder", "stop", "warm_up")


def __getattr__(name: str) -> Any:
    if name not in _DECODING:
        raise AttributeError(name)
    return getattr(import_module("image_ingest.picture.preparation"), name)
