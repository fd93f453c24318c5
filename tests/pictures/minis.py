"""AVIF files whose head is a `mini` box (ISO/IEC 23008-12), put together bit by bit."""

from __future__ import annotations

import base64
import struct

from PIL import Image

from tests.pictures.makers import box, encoded

_SUBSAMPLINGS = {"4:0:0": 0, "4:2:0": 1, "4:2:2": 2, "4:4:4": 3}
_CHROMA_PLACE_BITS = (0, 2, 1, 0)
# The scene in 24 x 16 pixels of 10 bits, which Pillow does not write: the configuration of its codec, then the picture.
_TEN_BITS = "gQBMABIACgkYEO/sUBDQaEAyIURgAIIIIUDacVjN/uCeIIIXvUkkAbbOoqO1AFs9VpAGMA=="


def mini_avif(
    image: Image.Image,
    orientation: int = 1,
    *,
    is_wide: bool = True,
    subsampling: str = "4:2:0",
    cicp: tuple[int, int, int] | None = None,
    profile: bytes = b"",
    exif: bytes = b"",
    xmp: bytes = b"",
) -> bytes:
    """The pixels of what Pillow writes. `is_wide`: sizes take as many bits as they may."""
    data = encoded(image, "AVIF", quality=95, subsampling=subsampling)
    pixels, alpha = [*_read_items(data), b""][:2]
    configurations = [data[at + 4 : at + 8] for at in range(len(data)) if data[at : at + 4] == b"av1C"]
    chroma, has_metadata = _SUBSAMPLINGS[subsampling], bool(profile or exif or xmp)
    side, metadata, configuration, item = (15, 20, 12, 28) if is_wide else (7, 10, 3, 15)
    fields = [(0, 4), (1, 1), *((bool(part), 1) for part in (alpha, cicp, b"", profile, exif, xmp)), (chroma, 2)]
    fields += [(orientation - 1, 3), (is_wide, 1), (image.width - 1, side), (image.height - 1, side)]
    fields += [(0, _CHROMA_PLACE_BITS[chroma] + 1), (0, int(bool(alpha)))]
    fields += [(number, 8) for number in (cicp or ())[: 3 if chroma else 2]]
    fields += [(is_wide, 1)] * (3 if has_metadata else 2)
    fields += [(len(profile) - 1, metadata)] if profile else []
    fields += [(len(configurations[0]), configuration), (len(pixels) - 1, item)]
    fields += [(len(alpha), item), (len(configurations[1]), configuration)] if alpha else []
    fields += [(0, 1), *((len(part) - 1, metadata) for part in (exif, xmp) if part)] if exif or xmp else []
    body = _pack(fields) + b"".join(configurations) + profile + alpha + pixels + exif + xmp
    return box(b"ftyp", b"mif3avif") + box(b"mini", body)


def ten_bit_avif() -> bytes:
    """The scene in 10 bits."""
    coded = base64.b64decode(_TEN_BITS)
    fields = [(0, 4), (1, 1), (0, 6), (1, 2), (0, 3), (0, 1), (23, 7), (15, 7), (0, 2), (1, 1), (1, 3)]
    fields += [(0, 1), (0, 1), (4, 3), (len(coded) - 5, 15)]
    return box(b"ftyp", b"mif3avif") + box(b"mini", _pack(fields) + coded)


def _pack(fields: list[tuple[int, int]]) -> bytes:
    """Numbers of so many bits each."""
    value = bits = 0
    for number, size in fields:
        value, bits = value << size | number, bits + size
    return (value << -bits % 8).to_bytes(-(-bits // 8), "big")


def _read_items(data: bytes) -> list[bytes]:
    """The data of each item of what Pillow writes."""
    at = data.index(b"iloc") + 10
    (count,) = struct.unpack_from(">H", data, at)
    places = [struct.unpack_from(">II", data, at + 8 + 14 * item) for item in range(count)]
    return [data[offset : offset + size] for offset, size in places]
