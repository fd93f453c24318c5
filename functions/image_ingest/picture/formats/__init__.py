"""Detects the format from the bytes alone, and opens the picture with that format's one decoder."""

from __future__ import annotations

import importlib
import re
from mmap import mmap
from typing import TYPE_CHECKING, cast

from image_ingest.errors import Rejected

Source = bytes | mmap
HEAD_BYTES = 256

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_DECODERS = {
    "JPEG": ("image_ingest.picture.formats.jpeg", "open_jpeg"),
    "PNG": ("image_ingest.picture.formats.png", "open_png"),
    "GIF": ("image_ingest.picture.formats.gif", "open_gif"),
    "TIFF": ("image_ingest.picture.formats.tiff", "open_tiff"),
    "WEBP": ("image_ingest.picture.formats.webp", "open_webp"),
    "BMP": ("image_ingest.picture.formats.bmp", "open_bmp"),
    "AVIF": ("image_ingest.picture.formats.avif", "open_avif"),
    "HEIF": ("image_ingest.picture.formats.heif", "open_heif"),
}
FORMATS = (*_DECODERS, "MPO")  # what a picture can come from
_SIGNATURES = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]")),
    ("WEBP", re.compile(rb"RIFF....WEBPVP8[ LX]", re.DOTALL)),
    ("BMP", re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)),
)
_BASE64 = re.compile(
    rb"(data:image/[ -~]*;base64,)?"
    rb"(/9j/|iVBORw0KGgo|R0lGOD|UklGR|Qk[0-9A-Za-z]|SUkq|TU0A|AAAA[A-Za-z]{4})[\w+/=\s]{20,}"
)
_OTHERS = (
    ("PDF", re.compile(rb"%PDF")),
    ("a gzip file", re.compile(rb"\x1f\x8b")),
    ("a picture in base64 text: upload the bytes that it stands for", _BASE64),
    (
        "an upload in aws-chunked framing, whose sender did not remove it",
        re.compile(rb"[0-9a-fA-F]{1,8}(;[ -~]*)?\r\n"),
    ),
    ("a multipart form, not the file in it", re.compile(rb"--[ -~]{4,}\r?\n(?i:content-)")),
    (
        "JSON, perhaps an error message that was saved under a picture's name",
        re.compile(rb"(\xef\xbb\xbf)?\s*[{\[]\s*[\"{\[}\]]"),
    ),
    ("SVG or HTML", re.compile(rb"(\xef\xbb\xbf)?\s*<")),
    ("Photoshop", re.compile(rb"8BPS")),
    ("JPEG 2000", re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51")),
    ("JPEG XL", re.compile(rb"\0\0\0\x0cJXL |\xff\x0a")),
    ("EPS", re.compile(rb"%!PS|\xc5\xd0\xd3\xc6")),
    ("ICO", re.compile(rb"\x00\x00[\x01\x02]\x00")),
    ("Zip", re.compile(rb"PK\x03\x04")),
    ("video", re.compile(rb".{4}ftyp|\x1a\x45\xdf\xa3|RIFF....AVI ", re.DOTALL)),
)
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}


def identify_format(source: bytes) -> str:
    """The name of the format, as Pillow calls it. The first HEAD_BYTES are enough.

    Raises Rejected `image.unsupported-format`.
    """
    head = source[:HEAD_BYTES]
    for name, signature in _SIGNATURES:
        if signature.match(head):
            return name
    brands = _read_brands(source)
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if brands & _HEIF_BRANDS:
        return "HEIF"
    guess = next((f" They look like {name}." for name, pattern in _OTHERS if pattern.match(head)), "")
    raise Rejected(
        "image.unsupported-format", f"The bytes are no JPEG, PNG, GIF, TIFF, WebP, BMP, AVIF or HEIC picture.{guess}"
    )


def _read_brands(source: bytes) -> set[bytes]:
    """The brands of an ISO base media file's `ftyp` box (ISO 14496-12), major and compatible ones."""
    if source[4:8] != b"ftyp":
        return set()
    box = source[8 : min(int.from_bytes(source[:4], "big"), HEAD_BYTES)]
    if box[:4] == b"mif3":  # whose minor version is a brand
        return {box[:4], box[4:8]}
    return {box[i : i + 4] for i in (0, *range(8, len(box) - 3, 4))}


def import_decoder(source_format: str) -> None:
    """Imports the format's decoder: the 26 MB of HEIF only for a HEIF."""
    importlib.import_module(_DECODERS[source_format][0])


def open_image(source_format: str, source: Source) -> ImageFile:
    """Reads the header with this one decoder; `load` then reads the pixels.

    The `info` of the result may have: `icc_profile`, `exif`, `transparency` (as Pillow keeps it), `cicp` (a Cicp)
    and `mp` (more pictures follow). Raises Rejected, and whatever decoders raise.
    """
    module, function = _DECODERS[source_format]
    return cast("ImageFile", getattr(importlib.import_module(module), function)(source))
