"""Everything that decoding a format imports or opens, before the system-call filter forbids it."""

from __future__ import annotations

import importlib.util
import threading

from image_ingest.picture.formats import import_decoder

# What Pillow and Python import at the first need of it.
_IMPORTED_LATER = (
    "PIL.ImageColor",
    "PIL.ImagePalette",
    "PIL.MpoImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.TiffImagePlugin",
    "copy",
    "encodings.latin_1",
)


def preload(source_format: str) -> None:
    """Imports the format's decoder and what it imports later, and has it work in as few threads as it can."""
    import_decoder(source_format)
    own_module = f"image_ingest.picture.formats.{source_format.lower()}"
    if importlib.util.find_spec(own_module):
        importlib.import_module(own_module)
    for name in _IMPORTED_LATER:
        importlib.import_module(name)
    if source_format == "AVIF":
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    elif source_format == "HEIF":
        import pillow_heif

        pillow_heif.options.DECODE_THREADS = 0
        _start_thread()


def _start_thread() -> None:
    """The C library prepares for threads with the first one, by calls that the next ones do not need."""
    thread = threading.Thread()
    thread.start()
    thread.join()
