"""Which part of the source becomes how large a result, and how much detail a JPEG decoder must deliver for it."""

from __future__ import annotations

from dataclasses import dataclass

from PIL.ImageFile import ImageFile

from image_ingest.settings import PictureSettings

Size = tuple[int, int]
Box = tuple[float, float, float, float]

_JPEG_SCALES = ((8, 1), (4, 2), (3, 3), (2, 4))  # the denominator that libjpeg is given, the eighths that it delivers

# How many times the result's size a JPEG is decoded at least, both measured (docs/pictures.md, "Speed").
PHOTO_MARGIN = 1.4
LINE_ART_MARGIN = 2.8


@dataclass(frozen=True)
class Plan:
    """`box` of the source becomes `size`, both as the source is stored, before it is turned upright."""

    size: Size
    box: Box

    def scaled(self, factor: float) -> Plan:
        """The same plan for a source decoded at 1/`factor` of its size."""
        left, top, right, bottom = self.box
        return Plan(self.size, (left / factor, top / factor, right / factor, bottom / factor))


def plan(source: Size, settings: PictureSettings, *, sideways: bool) -> Plan:
    """`sideways`: width and height change places on the way upright, so the bounds do here."""
    bounds = (settings.max_width, settings.max_height)
    if sideways:
        bounds = (bounds[1], bounds[0])
    return _cover(source, bounds) if settings.fit == "cover" else _contain(source, bounds)


def _contain(source: Size, bounds: Size) -> Plan:
    (width, height), scale = source, min(1.0, bounds[0] / source[0], bounds[1] / source[1])
    return Plan((max(1, round(width * scale)), max(1, round(height * scale))), (0, 0, width, height))


def _cover(source: Size, bounds: Size) -> Plan:
    """Fills the bounds as far as that does not enlarge, and cuts what is over, evenly on both sides."""
    (width, height), scale = source, min(1.0, max(bounds[0] / source[0], bounds[1] / source[1]))
    size = max(1, min(bounds[0], round(width * scale))), max(1, min(bounds[1], round(height * scale)))
    across, down = min(width, size[0] / scale), min(height, size[1] / scale)
    left, top = (width - across) / 2, (height - down) / 2
    if scale == 1.0:
        left, top = int(left), int(top)
    return Plan(size, (left, top, left + across, top + down))


def draft(image: ImageFile, goal: Plan, margin: float) -> float:
    """Has a JPEG decoded at 1/8, 1/4, 3/8 or 1/2 where that keeps enough detail; returns by how much it is smaller.

    What Pillow's own `draft` does, which knows no 3/8; libjpeg takes the next larger eighths for 1/3 (libjpeg.txt).
    """
    if image.format != "JPEG":
        return 1.0
    left, top, right, bottom = goal.box
    needed = margin * max(goal.size[0] / (right - left), goal.size[1] / (bottom - top))
    for denominator, eighths in _JPEG_SCALES:
        if 8 * needed <= eighths:
            image._size = width, height = _eighths(image.width, eighths), _eighths(image.height, eighths)  # noqa: SLF001
            image.tile = [image.tile[0]._replace(extents=(0, 0, width, height))]
            image.decoderconfig = (denominator, 0)
            return 8 / eighths
    return 1.0


def _eighths(side: int, eighths: int) -> int:
    return -(-side * eighths // 8)
