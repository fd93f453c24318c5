"""Plain TIFF whose samples Pillow does not read: 10 to 64 bits, whole or floating, with or without alpha."""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Callable
from math import gcd
from typing import Any

from PIL import Image, ImageChops, ImageFile

from image_ingest.errors import Rejected
from image_ingest.picture.colour.deep import find_white, read_values, scale_to_8_bits
from image_ingest.picture.formats.splice import Splice
from image_ingest.picture.formats.tiff_directory import (
    BITS,
    COMPRESSION,
    HEIGHT,
    PHOTOMETRIC,
    PLANAR,
    PREDICTOR,
    SAMPLE_FORMAT,
    SAMPLES,
    STRIP_BYTES,
    STRIPS,
    WIDTH,
    Directory,
)

_NONE, _DEFLATES = 1, (8, 32_946)
_FLOATING, _SEPARATE = 3, 2
_COLOURS = {0: (1, "white is zero"), 1: (1, "grey"), 2: (3, "RGB"), 5: (4, "CMYK")}
_FORMATS = {1: "unsigned", 2: "signed", 3: "floating-point"}
_DEPTHS = {1: (8, 10, 12, 14, 16, 32), 3: (32, 64)}
_MODES = {(1, False): "L", (1, True): "LA", (3, False): "RGB", (3, True): "RGBA", (4, False): "CMYK", (4, True): "RGBA"}


class Samples(ImageFile.ImageFile):
    """Such a TIFF, in mode L, LA, RGB, RGBA or CMYK."""

    format = "TIFF"
    format_description = "TIFF of rare samples"

    directory: Directory

    def _open(self) -> None:
        """`open_samples` fills in what the header says."""
        self._mode, self._size = "L", (1, 1)

    def describe(self, directory: Directory, colours: int) -> None:
        """Takes size and mode from the directory."""
        self.directory, self.colours = directory, colours
        self.samples = directory.value(SAMPLES, 1)
        self._size = directory.value(WIDTH, 0), directory.value(HEIGHT, 0)
        self._mode = _MODES[colours, self.samples > colours]
        self.tile = [ImageFile._Tile("raw", (0, 0, *self._size), 0, self._mode)]  # noqa: SLF001

    def load(self) -> Any:
        """Raises OSError if rows are missing."""
        if self.tile:
            self.im, self.tile = _merge(self._read_planes(), self.colours, self.mode).im, []
        return super().load()

    def _read_planes(self) -> list[Image.Image]:
        directory = self.directory
        bits, is_whole = directory.value(BITS, 1), directory.value(SAMPLE_FORMAT, 1) != _FLOATING
        is_planar = directory.value(PLANAR, 1) == _SEPARATE
        width, height = self.size
        across, rows = (width, height * self.samples) if is_planar else (width * self.samples, height)
        data = _read_strips(directory, -(-across * bits // 8) * rows)
        read: Callable[..., Any] = _take_high_bits if is_whole else _read_floats
        values = read(data, across, bits, directory.order)
        size = width * height
        parts = [
            values[i * size : (i + 1) * size] if is_planar else values[i :: self.samples] for i in range(self.samples)
        ]
        planes = _draw_whole(parts, self.size) if is_whole else _draw_floats(parts, self.size)
        if directory.value(PHOTOMETRIC, 1) == 0:
            planes[0] = ImageChops.invert(planes[0])
        return planes


def open_samples(directory: Directory) -> Samples:
    """Raises Rejected `image.unsupported-format`, which names the layout."""
    if not directory.value(WIDTH, 0) or not directory.value(HEIGHT, 0):
        raise Rejected("image.unreadable", "The TIFF has no width or no height.")
    colours, _ = _COLOURS.get(directory.value(PHOTOMETRIC, -1), (0, ""))
    bits, kind = directory.values(BITS) or (1,), directory.value(SAMPLE_FORMAT, 1)
    samples, compression = directory.value(SAMPLES, 1), directory.value(COMPRESSION, 1)
    is_known = (
        STRIPS in directory.entries
        and colours
        and colours <= samples
        and len(set(bits)) == 1
        and bits[0] in _DEPTHS.get(kind, ())
    )
    if not is_known or compression not in (_NONE, *_DEFLATES) or directory.value(PREDICTOR, 1) != 1:
        raise refuse_layout(directory)
    image = Samples(Splice([b""]))  # type: ignore[arg-type]  # it reads the directory's source
    image.describe(directory, colours)
    return image


def refuse_layout(directory: Directory) -> Rejected:
    """`image.unsupported-format`, which names the layout."""
    return Rejected("image.unsupported-format", f"The TIFF's layout is not read: {_name_layout(directory)}.")


def _name_layout(directory: Directory) -> str:
    photometric = directory.value(PHOTOMETRIC, -1)
    name = _COLOURS.get(photometric, (0, f"photometric interpretation {photometric}"))[1]
    bits = ", ".join(str(value) for value in (directory.values(BITS) or (1,))[:8])
    kind = _FORMATS.get(directory.value(SAMPLE_FORMAT, 1), "complex")
    planes = "separate planes" if directory.value(PLANAR, 1) == 2 else "one plane"
    return f"{name} in {planes}, {kind} samples of {bits} bits, compression {directory.value(COMPRESSION, 1)}"


def _read_strips(directory: Directory, size: int) -> bytes:
    """All rows, one plane after the other. Raises OSError if some are missing."""
    source, is_packed = directory.source, directory.value(COMPRESSION, 1) in _DEFLATES
    pieces, left = [], size
    for offset, length in zip(directory.values(STRIPS), directory.values(STRIP_BYTES), strict=False):
        piece = source[offset : offset + length]
        pieces.append(zlib.decompressobj().decompress(piece, left + 1) if is_packed else piece)
        left -= len(pieces[-1])
        if left <= 0:
            break
    if left > 0:
        raise OSError("rows are missing")
    return b"".join(pieces)[:size]


def _take_high_bits(data: bytes, across: int, bits: int, order: str) -> bytes:
    """The upper 8 bits of each sample. Rows begin at whole bytes."""
    if bits % 8 == 0:
        return data[bits // 8 - 1 if order == "<" else 0 :: bits // 8]
    row = -(-across * bits // 8)
    return b"".join(_unpack_row(data[at : at + row], bits)[:across] for at in range(0, len(data), row))


def _unpack_row(row: bytes, bits: int) -> bytes:
    """Samples of so many bits, one behind the other, the upper 8 of each."""
    samples = 8 // gcd(bits, 8)
    group = bits * samples // 8
    row += bytes(-len(row) % group)
    unpacked = bytearray(len(row) // group * samples)
    for i in range(samples):
        at, shift = divmod(i * bits, 8)
        upper = row[at::group].translate(bytes(value << shift & 255 for value in range(256)))
        if shift:
            lower = row[at + 1 :: group].translate(bytes(value >> 8 - shift for value in range(256)))
            both = int.from_bytes(upper, "big") | int.from_bytes(lower, "big")
            upper = both.to_bytes(len(upper), "big")
        unpacked[i::samples] = upper
    return bytes(unpacked)


def _read_floats(data: bytes, _: int, bits: int, order: str) -> array[float]:
    values = array("f" if bits == 32 else "d", data)
    if (order == "<") != (sys.byteorder == "little"):
        values.byteswap()
    return values if bits == 32 else array("f", values)


def _draw_whole(parts: list[Any], size: tuple[int, int]) -> list[Image.Image]:
    return [Image.frombytes("L", size, part) for part in parts]


def _draw_floats(parts: list[Any], size: tuple[int, int]) -> list[Image.Image]:
    planes = [Image.frombytes("F", size, part.tobytes()) for part in parts]
    white = find_white(planes[0], planes)
    return [scale_to_8_bits(read_values(plane), white) for plane in planes]


def _merge(planes: list[Image.Image], colours: int, mode: str) -> Image.Image:
    if colours == 4 and mode == "RGBA":
        opaque = Image.merge("CMYK", planes[:4]).convert("RGB")
        opaque.putalpha(planes[4])
        return opaque
    return Image.merge(mode, planes[: len(Image.new(mode, (1, 1)).getbands())])
