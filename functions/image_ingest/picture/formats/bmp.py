"""BMP in its many layouts (Windows GDI, "Bitmap Storage"; OS/2 Presentation Manager), read as Chromium reads it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, cast

from PIL import Image, ImageFile, ImageMath, ImagePalette

from image_ingest.errors import Rejected
from image_ingest.picture.colour.icc import MAX_PROFILE_BYTES
from image_ingest.picture.formats import Source
from image_ingest.picture.formats.splice import Splice

_RLE8, _RLE4, _MASKS, _MASKS_WITH_ALPHA = 1, 2, 3, 6
_DEPTHS = {0: (1, 2, 4, 8, 16, 24, 32), 1: (8,), 2: (4,), 3: (16, 32), 6: (16, 32)}
_DEFAULT_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}
_RAW_MODES = {
    (0x7C00, 0x3E0, 0x1F, 0): ("RGB", "BGR;15"),
    (0xF800, 0x7E0, 0x1F, 0): ("RGB", "BGR;16"),
    (0xFF0000, 0xFF00, 0xFF, 0): ("RGB", "BGRX"),
    (0xFF0000, 0xFF00, 0xFF, 0xFF000000): ("RGBA", "BGRA"),
}
_EMBEDDED = 0x4D424544
_STRIP_PIXELS = 1 << 19

_Masks = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Header:
    """The fields of any of the header's versions. `version` is its length; offsets are from the start of the file."""

    version: int
    pixels: int
    palette: int
    width: int
    height: int  # negative: the top row comes first
    bits: int
    compression: int
    colours: int
    masks: _Masks

    @property
    def row_bytes(self) -> int:
        return (self.width * self.bits + 31) // 32 * 4


class Bmp(ImageFile.ImageFile):
    """A BMP, in mode P, RGB or RGBA, black where runs skip pixels. Its `info` has `icc_profile`."""

    format = "BMP"
    format_description = "Windows bitmap"

    source: memoryview
    header: _Header

    def _open(self) -> None:
        self.source = cast("memoryview", cast("Splice", self.fp).parts[0])
        self.header = header = _read_header(self.source)
        self._size = header.width, abs(header.height)
        self._mode, raw_mode = _choose_modes(header)
        if self._mode == "P":
            self.palette = ImagePalette.raw(
                "BGR" if header.version == 12 else "BGRX", _read_palette(self.source, header)
            )
        self._is_masked = not raw_mode
        arguments = (raw_mode, header.row_bytes, 1 if header.height < 0 else -1)
        self.tile = [ImageFile._Tile("raw", (0, 0, *self._size), header.pixels, arguments)]  # noqa: SLF001
        profile = _read_profile(self.source, header)
        if profile is not None:
            self.info["icc_profile"] = profile

    def load(self) -> Any:
        """Raises OSError if pixels are missing."""
        if self.tile and self.header.compression in (_RLE8, _RLE4):
            self._load_runs()
        elif self.tile and self._is_masked:
            self._load_masked()
        pixels = super().load()
        if self.mode == "RGBA" and self.im.getband(3).getextrema() == (0, 0):
            self.im, self._mode = self.im.convert("RGB"), "RGB"  # no transparency was meant
        return pixels

    def _load_masked(self) -> None:
        header, (width, height) = self.header, self.size
        whole = Image.new(self.mode, self.size)
        rows = max(1, _STRIP_PIXELS // width)
        for top in range(0, height, rows):
            count = min(rows, height - top)
            stored = top if header.height < 0 else height - top - count
            begin = header.pixels + stored * header.row_bytes
            data = self.source[begin : begin + count * header.row_bytes]
            whole.paste(_unpack_masks(data, (width, count), self.mode, header), (0, top))
        self.im, self.tile = whole.im, []

    def _load_runs(self) -> None:
        indices, skipped = _decode_runs(self.source[self.header.pixels :], *self.size, self.header.bits)
        if skipped:
            counts = Image.frombuffer("L", self.size, indices, "raw", "L", 0, 1).histogram()
            counts[0] -= sum(end - begin for begin, end in skipped)
            black = self._find_black(counts)
            for begin, end in skipped:
                indices[begin:end] = bytes((black,)) * (end - begin)
        order = -1 if self.header.height < 0 else 1  # runs go up, or down if the top row comes first
        self.im, self.tile = Image.frombuffer("P", self.size, indices, "raw", "P", 0, order).im, []

    def _find_black(self, counts: list[int]) -> int:
        """The index of an unused colour, which becomes black; the darkest colour if all are used."""
        assert self.palette is not None
        colours = bytearray(self.palette.palette).ljust(256 * 4, b"\0")  # headers with runs have colours of four bytes
        unused = [index for index in range(256) if not counts[index]]
        if not unused:
            return min(range(256), key=lambda index: sum(colours[index * 4 : index * 4 + 3]))
        colours[unused[-1] * 4 : unused[-1] * 4 + 4] = bytes(4)
        self.palette = ImagePalette.raw("BGRX", bytes(colours))
        return unused[-1]


def open_bmp(source: Source) -> Bmp:
    """Raises Rejected `image.unsupported-format` with the layout's name, and whatever a damaged header raises."""
    return Bmp(cast("Any", Splice([memoryview(source)])))


def _read_header(source: memoryview) -> _Header:
    (offset, version) = struct.unpack_from("<II", source, 10)
    compression = colours = 0
    if version == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", source, 18)
    else:
        width, height, _, bits = struct.unpack_from("<IiHH", source, 18)
        if version >= 20:
            (compression,) = struct.unpack_from("<I", source, 30)
        if version >= 36:
            (colours,) = struct.unpack_from("<I", source, 46)
    if bits not in _DEPTHS.get(compression, ()):
        raise Rejected(
            "image.unsupported-format", f"The BMP has {bits} bits per pixel and compression {compression}: not read."
        )
    palette = 14 + version
    if version == 40 and compression in (_MASKS, _MASKS_WITH_ALPHA):
        palette += 12 if compression == _MASKS else 16
    colours = min(colours or 256, 1 << min(bits, 8)) if bits <= 8 else 0
    pixels = offset or palette + colours * (3 if version == 12 else 4)
    masks = _read_masks(source, version, bits, compression)
    return _Header(version, pixels, palette, width, height, bits, compression, colours, masks)


def _read_masks(source: memoryview, version: int, bits: int, compression: int) -> _Masks:
    """Only a file that states a mask for alpha has it: without one the fourth byte means nothing, whatever the version.

    From version 4 on the mask may be stated beside the usual colours; then any mask means the fourth byte, as Chromium
    has it.
    """
    if compression not in (_MASKS, _MASKS_WITH_ALPHA):
        masks = _DEFAULT_MASKS.get(bits, (0, 0, 0, 0))
        has_alpha = bits == 32 and version >= 108 and any(source[66:70])
        return (*masks[:3], 0xFF000000) if has_alpha else masks
    red, green, blue = struct.unpack_from("<III", source, 54)
    has_alpha = version >= 56 or compression == _MASKS_WITH_ALPHA
    (alpha,) = struct.unpack_from("<I", source, 66) if has_alpha else (0,)
    return red, green, blue, alpha


def _choose_modes(header: _Header) -> tuple[str, str]:
    """The mode, and how the pixels are stored as Pillow names it: "" where Pillow has no name for it."""
    if header.bits <= 8:
        return "P", "P" if header.bits == 8 else f"P;{header.bits}"
    if header.bits == 24:
        return "RGB", "BGR"
    mode, raw_mode = _RAW_MODES.get(header.masks, ("", ""))
    if mode and (header.bits == 32) == raw_mode.startswith(("BGRX", "BGRA")):
        return mode, raw_mode
    return ("RGBA" if header.masks[3] else "RGB"), ""


def _read_palette(source: memoryview, header: _Header) -> bytes:
    """256 entries; those that the file lacks are black."""
    size = 3 if header.version == 12 else 4
    end = min(header.palette + header.colours * size, max(header.palette, header.pixels))
    stored = source[header.palette : end]
    return bytes(stored).ljust(256 * size, b"\0")


def _unpack_masks(data: memoryview, size: tuple[int, int], mode: str, header: _Header) -> Image.Image:
    """Some rows whose channels are any bits of 16 or 32. Raises ValueError if they are cut off."""
    raw_mode = "I;16" if header.bits == 16 else "I;32"
    order = 1 if header.height < 0 else -1
    storage = "I;16" if header.bits == 16 else "I"
    values = Image.frombytes(storage, size, bytes(data), "raw", raw_mode, header.row_bytes, order).convert("I")
    return Image.merge(mode, [_take_channel(values, mask) for mask in header.masks[: len(mode)]])


def _take_channel(values: Image.Image, mask: int) -> Image.Image:
    """Eight bits out of the bits of a mask, scaled so that all ones is white."""
    if not mask:
        return Image.new("L", values.size)
    shift = (mask & -mask).bit_length() - 1
    width = (mask >> shift).bit_length()
    shift, width = shift + max(0, width - 8), min(width, 8)
    most = (1 << width) - 1
    scaled = ImageMath.lambda_eval(lambda v: ((v["values"] >> shift) & most) * 255 / most, values=values)
    return cast("Image.Image", scaled).convert("L")


class _Canvas:
    """Indices being painted by runs, from the bottom row up."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.indices = bytearray(width * height)  # the top row first
        self.skipped: list[tuple[int, int]] = []
        self.row = height - 1
        self.column = 0

    def paint(self, pixels: bytes) -> None:
        """What does not fit into the row is dropped."""
        pixels = pixels[: self.width - self.column]
        begin = self.row * self.width + self.column
        self.indices[begin : begin + len(pixels)] = pixels
        self.column += len(pixels)

    def leap(self, rows: int, columns: int) -> None:
        """Goes up by so many rows, and to the right. Raises OSError beyond the edges."""
        column = self.column + columns
        if rows > self.row or column > self.width:
            raise OSError("a leap goes past the edge")
        for _ in range(rows):
            self.end_row()
        self._mark(column)

    def end(self) -> None:
        """Everything that is left is skipped."""
        while self.row >= 0:
            self.end_row()

    def end_row(self) -> None:
        self._mark(self.width)
        self.row, self.column = self.row - 1, 0

    def _mark(self, column: int) -> None:
        """Everything up to `column` is skipped."""
        if column > self.column:
            self.skipped.append((self.row * self.width + self.column, self.row * self.width + column))
            self.column = column


def _decode_runs(data: memoryview, width: int, height: int, bits: int) -> tuple[bytearray, list[tuple[int, int]]]:
    """One index per pixel, and the spans that the runs skip. Raises OSError if the runs break off."""
    canvas, at = _Canvas(width, height), 0
    while canvas.row >= 0:
        if at + 2 > len(data):
            if canvas.row == 0 and canvas.column == width:
                break
            raise OSError("rows are missing")
        count, code = data[at], data[at + 1]
        at += 2
        if count:
            canvas.paint(_repeat(code, count, bits))
        elif code == 0:
            canvas.end_row()
        elif code == 1:
            canvas.end()
        elif code == 2:
            canvas.leap(data[at + 1], data[at])
            at += 2
        else:
            if canvas.column + code > width:
                raise OSError("a run goes past its row")
            size = code if bits == 8 else (code + 1) // 2
            canvas.paint(_spread(data[at : at + size], bits)[:code])
            at += size + size % 2
    return canvas.indices, canvas.skipped


def _repeat(code: int, count: int, bits: int) -> bytes:
    return bytes((code,)) * count if bits == 8 else (bytes((code >> 4, code & 15)) * ((count + 1) // 2))[:count]


def _spread(data: memoryview, bits: int) -> bytes:
    return bytes(data) if bits == 8 else bytes(index for byte in data for index in (byte >> 4, byte & 15))


def _read_profile(source: memoryview, header: _Header) -> bytes | None:
    """The embedded profile of version 5. The calibrated colours of versions 4 and 5 are ignored, as in browsers."""
    if header.version < 124 or struct.unpack_from("<I", source, 70)[0] != _EMBEDDED:
        return None
    offset, size = struct.unpack_from("<II", source, 14 + 112)
    profile = bytes(source[14 + offset : 14 + offset + min(size, MAX_PROFILE_BYTES + 1)])
    return profile if len(profile) == size else None
