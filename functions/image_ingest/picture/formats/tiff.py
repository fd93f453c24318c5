"""TIFF: the decoder gets a directory of the tags that describe the picture, and nothing else."""

from __future__ import annotations

import struct
from typing import Any, cast

from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from image_ingest.errors import Rejected
from image_ingest.picture.formats import Source
from image_ingest.picture.formats.splice import Splice
from image_ingest.picture.formats.tiff_directory import (
    BITS,
    COLOUR_MAP,
    COMPRESSION,
    EXTRA_SAMPLES,
    HEIGHT,
    PHOTOMETRIC,
    PLANAR,
    PREDICTOR,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES,
    STRIP_BYTES,
    STRIPS,
    SUBFILE,
    WIDTH,
    Directory,
    read_directory,
)
from image_ingest.picture.formats.tiff_samples import open_samples, refuse_layout

_LONG, _LONGS_OF_8 = 4, (16, 17, 18)
_SUB_DIRECTORIES, _DNG_VERSION, _PROFILE = 330, 50_706, 34_675
_TILES = (322, 323, 324, 325)
_DESCRIBING = {
    *(SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, STRIPS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR),
    *(PREDICTOR, COLOUR_MAP, EXTRA_SAMPLES, SAMPLE_FORMAT, *_TILES),
    *(266, 274, 292, 293, 332, 333, 334, 336, 347, *range(512, 522), 529, 530, 531, 532, _PROFILE),
}
_COMPRESSIONS = (*range(1, 9), 32_773, 32_809, 32_946, 34_676, 34_677, 34_925, 50_000)  # read by libtiff
_CFA = (32_803, 34_892)
_WHITE_IS_ZERO, _PALETTE = 0, 3


class Tiff(TiffImageFile):
    """A TIFF as Pillow opens it. Its `info` has `inverted` where the least value is white, `unsigned` of 32 bits."""

    directory: Directory

    def load(self) -> Any:
        pixels = super().load()
        colours = self.directory.values(COLOUR_MAP)
        if self.mode == "P" and colours and max(colours) < 256:
            planes = [colours[i : i + len(colours) // 3] for i in range(0, len(colours), len(colours) // 3)]
            self.putpalette([value for colour in zip(*planes[:3], strict=True) for value in colour])
            return super().load()
        return pixels


def open_tiff(source: Source) -> ImageFile:
    """Raises Rejected `image.unsupported-format`, and whatever the decoder raises."""
    directory = read_directory(source)
    if _is_camera_raw(source, directory):
        raise Rejected(
            "image.unsupported-format", "The file is a camera raw file, of which only a thumbnail could be shown."
        )
    if directory.value(COMPRESSION, 1) not in _COMPRESSIONS:
        raise refuse_layout(directory)
    bits, samples = directory.values(BITS) or (1,), directory.value(SAMPLES, 1)
    is_plain = directory.value(COMPRESSION, 1) == 1 and STRIPS in directory.entries
    if is_plain and directory.value(PLANAR, 1) == 2 and max(bits) > 8 and samples > 1:
        return open_samples(directory)
    try:
        image = Tiff(cast("Any", _rebuild(directory)))
    except SyntaxError:
        return open_samples(directory)
    image.directory = directory
    is_deep = image.mode.startswith("I") or image.mode == "F"
    if is_deep and directory.value(PHOTOMETRIC, 1) == _WHITE_IS_ZERO:
        image.info["inverted"] = True
    if image.mode == "I" and bits == (32,) and directory.value(SAMPLE_FORMAT, 1) == 1:
        image.info["unsigned"] = True
    return image


def _is_camera_raw(source: Source, directory: Directory) -> bool:
    """DNG, CR2, and the others whose first directory is a thumbnail and which keep the picture in a sub-directory."""
    if source[8:10] == b"CR" or _DNG_VERSION in directory.entries or directory.value(PHOTOMETRIC, 1) in _CFA:
        return True
    return bool(directory.value(SUBFILE, 0) & 1) and _SUB_DIRECTORIES in directory.entries


def _rebuild(directory: Directory) -> Splice:
    """The file with a directory of its own behind the source, in the classic format, whose values stay where they are.

    Raises struct.error for values that are outside the source.
    """
    source, order = directory.source, directory.order
    entries = {tag: entry for tag, entry in sorted(directory.entries.items()) if tag in _DESCRIBING}
    start = len(source) + len(source) % 2
    behind = start + 2 + 12 * len(entries) + 4
    table, values = struct.pack(order + "H", len(entries)), b""
    for tag, entry in entries.items():
        kind, data = entry.kind, bytes(source[entry.offset : entry.offset + entry.size])
        if kind in _LONGS_OF_8:
            kind, data = _LONG, struct.pack(f"{order}{entry.count}I", *directory.values(tag))
        if len(data) > 4:
            place = entry.offset if kind == entry.kind else behind + len(values)
            values += data if kind != entry.kind else b""
            data = struct.pack(order + "I", place)
        table += struct.pack(order + "HHI", tag, kind, entry.count) + data.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return Splice([head, memoryview(source)[8:], bytes(len(source) % 2), table, bytes(4), values])
