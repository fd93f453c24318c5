"""Which part of the source becomes how large a result, and at which size a JPEG is decoded for it."""

from __future__ import annotations

from dataclasses import dataclass

from PIL.ImageFile import ImageFile

from image_ingest.settings import PictureSettings

Size = tuple[int, int]
Box = tuple[float, float, float, float]

_GAP = 3.0  # reduce by whole numbers down to this many times the result's size, then LANCZOS
_JPEG_SCALES = ((8, 1), (4, 2), (3, 3), (2, 4))  # the denominator that libjpeg is given, the eighths that it delivers

# How many times the result's size a JPEG is decoded at least, both measured (docs/pictures.md, "Speed").
PHOTO_MARGIN = 1.4
LINE_ART_MARGIN = 2.8
BICUBIC_MARGIN = 1.46  # from which on photos may be resized by the quicker filter


@dataclass(frozen=True)
class Plan:
    """`box` of the source becomes `size`, both as the source is stored, before it is turned upright."""

    size: Size
    box: Box

    def shrink(self, factor: float) -> Plan:
        """The same plan for a source decoded at 1/`factor` of its size."""
        left, top, right, bottom = self.box
        return Plan(self.size, (left / factor, top / factor, right / factor, bottom / factor))


def plan_resize(source: Size, settings: PictureSettings, *, sideways: bool) -> Plan:
    """`sideways`: turning upright exchanges width and height, so the bounds are exchanged here."""
    bounds = (settings.max_width, settings.max_height)
    if sideways:
        bounds = (bounds[1], bounds[0])
    return _cover(source, bounds) if settings.fit == "cover" else _contain(source, bounds)


def _contain(source: Size, bounds: Size) -> Plan:
    (width, height), scale = source, min(1.0, bounds[0] / source[0], bounds[1] / source[1])
    return Plan((max(1, round(width * scale)), max(1, round(height * scale))), (0, 0, width, height))


def _cover(source: Size, bounds: Size) -> Plan:
    """Fills the bounds as far as that does not enlarge, and crops the rest equally on both sides."""
    (width, height), scale = source, min(1.0, max(bounds[0] / source[0], bounds[1] / source[1]))
    size = max(1, min(bounds[0], round(width * scale))), max(1, min(bounds[1], round(height * scale)))
    across, down = min(width, size[0] / scale), min(height, size[1] / scale)
    left, top = (width - across) / 2, (height - down) / 2
    if scale == 1.0:
        left, top = int(left), int(top)
    return Plan(size, (left, top, left + across, top + down))


def choose_factors(source: tuple[float, float], result: Size) -> tuple[int, int]:
    """The whole numbers by which the source's sides are reduced before the resize, the quick way."""
    return max(1, int(source[0] / result[0] / _GAP)), max(1, int(source[1] / result[1] / _GAP))


def reduce_decoding(image: ImageFile, goal: Plan, margin: float) -> float:
    """Has a JPEG decoded at 1/8, 1/4, 3/8 or 1/2 if that keeps enough detail; returns the factor by which it shrinks.

    Does what Pillow's own `draft` does, which lacks 3/8: libjpeg takes the next larger eighths for 1/3 (libjpeg.txt).
    """
    if image.format != "JPEG":
        return 1.0
    left, top, right, bottom = goal.box
    needed = margin * max(goal.size[0] / (right - left), goal.size[1] / (bottom - top))
    for denominator, eighths in _JPEG_SCALES:
        if 8 * needed <= eighths:
            size = scale_side(image.width, eighths), scale_side(image.height, eighths)
            image._size = size  # noqa: SLF001  # as Pillow's own `draft` sets it
            image.tile = [image.tile[0]._replace(extents=(0, 0, *size))]
            image.decoderconfig = (denominator, 0)
            return 8 / eighths
    return 1.0


def scale_side(side: int, eighths: int) -> int:
    """What libjpeg makes of a side: `eighths` of it, rounded up."""
    return -(-side * eighths // 8)
