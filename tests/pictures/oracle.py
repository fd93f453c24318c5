"""Any folder of pictures through this function and through Chromium, side by side: `make oracle FOLDER=…`.

Writes a table of every difference (`oracle.md`) and a sheet of the worst ones (`oracle.png`) into build/oracle.
Chromium shows no TIFF and no HEIC, so for those it is no judge.
"""

from __future__ import annotations

import argparse
import base64
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageStat
from playwright.sync_api import Page

from image_ingest.deadline import Deadline
from image_ingest.errors import IngestError
from image_ingest.picture import identify_format, prepare
from image_ingest.settings import PictureSettings
from tests import ROOT
from tests.support.browser import chromium

OUT = ROOT / "build" / "oracle"
TOLERANCE = 16  # of 255, for the mean colour of a block; JPEG of quality 85 and rounding stay below
BLOCK = 8
_SETTINGS = PictureSettings(jpeg_quality=95)
_UNJUDGED = ("TIFF", "HEIF")
_WORST, _CELL = 30, 180

# Draws the picture as a page shows it, at the size that the function gives it, and returns RGBA.
_SHOW = """async ([data, side]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const blob = new Blob([bytes]);
  const url = URL.createObjectURL(blob);
  const image = new Image();
  image.src = url;
  try { await image.decode(); } catch { return null; } finally { URL.revokeObjectURL(url); }
  const [w, h] = [image.naturalWidth, image.naturalHeight];
  if (!w || !h) return null;
  const scale = Math.min(1, side / w, side / h);
  const [width, height] = [w, h].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  // The first frame of an animation, whatever it shows by now; none if it is not complete.
  const first = await createImageBitmap(blob).catch(() => null);
  context.drawImage(first || image, 0, 0, width, height);
  const pixels = context.getImageData(0, 0, width, height).data;
  let text = "";
  for (let at = 0; at < pixels.length; at += 32768) text += String.fromCharCode(...pixels.subarray(at, at + 32768));
  return [width, height, btoa(text), Boolean(first)];
}"""


@dataclass(frozen=True)
class Comparison:
    """What became of one file. `cause` is "" where both agree; `difference` is that of the worst block, of 255."""

    name: str
    source_format: str
    cause: str
    detail: str = ""
    difference: float = 0.0
    ours: Image.Image | None = None
    theirs: Image.Image | None = None


@dataclass(frozen=True)
class Shown:
    """What a page shows, in RGBA. `is_complete`: Chromium found nothing missing, at the file's end either."""

    image: Image.Image
    is_complete: bool


class Oracle:
    """Chromium, asked about one picture after the other."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def show(self, data: bytes, side: int = 1024) -> Shown | None:
        """The picture as Chromium shows it, within a square of `side`; None if it shows none."""
        shown: Any = self._page.evaluate(_SHOW, [base64.b64encode(data).decode(), side])
        if shown is None:
            return None
        width, height, pixels, is_complete = shown
        return Shown(Image.frombytes("RGBA", (width, height), base64.b64decode(pixels)), is_complete)

    def compare(self, name: str, data: bytes) -> Comparison:
        """This function's picture with Chromium's."""
        shown = self.show(data)
        theirs = shown.image if shown else None
        kind = _name_format(data)
        try:
            ours = _make_picture(data)
        except IngestError as refusal:
            return _describe_refusal(name, kind, refusal, shown)
        if shown is None or theirs is None:
            return Comparison(name, kind, "" if kind in _UNJUDGED else "stored but not shown", "", 0, ours, None)
        if not shown.is_complete:
            return Comparison(name, kind, "shown in part, stored", "", 0, ours, theirs)
        if ours.size != theirs.size:
            return Comparison(name, kind, "size", f"{ours.size} instead of {theirs.size}", 255, ours, theirs)
        worst, mean = measure_difference(ours, theirs)
        cause = "colour" if worst > TOLERANCE else ""
        return Comparison(name, kind, cause, f"worst block {worst:.0f}, mean {mean:.1f}", worst, ours, theirs)


def measure_difference(first: Image.Image, second: Image.Image) -> tuple[float, float]:
    """The greatest and the mean difference of 8 by 8 blocks, of 255, before white and before black."""
    worst = total = 0.0
    for background in ("white", "black"):
        blocks = [_place_before(background, image).reduce(BLOCK) for image in (first, second)]
        difference = ImageChops.difference(*blocks)
        worst = max(worst, *(high for _, high in difference.getextrema()))  # type: ignore[misc]  # a pair for each band
        total = max(total, sum(ImageStat.Stat(difference).mean) / 3)
    return worst, total


def compare_files(paths: Iterable[Path]) -> Iterator[Comparison]:
    """Every file, in turn. A browser that died of a file is replaced, and the file reported."""
    with chromium() as browser:
        oracle = Oracle(browser.new_page())
        for path in paths:
            yield oracle.compare(path.name, path.read_bytes())


def _place_before(background: str, image: Image.Image) -> Image.Image:
    whole = Image.new("RGBA", image.size, background)
    whole.alpha_composite(image)
    return whole.convert("RGB")


def _make_picture(data: bytes) -> Image.Image:
    picture = prepare(data, _SETTINGS, Deadline(60))
    with Image.open(BytesIO(picture.data), formats=("JPEG", "PNG")) as image:
        return image.convert("RGBA")


def _name_format(data: bytes) -> str:
    try:
        return identify_format(data[:256])
    except IngestError:
        return "-"


def _describe_refusal(name: str, kind: str, refusal: IngestError, shown: Shown | None) -> Comparison:
    detail = f"{refusal.code}: {refusal.message}"
    if shown is not None:
        cause, weight = ("shown but refused", 255) if shown.is_complete else ("shown in part, refused", 1)
        return Comparison(name, kind, cause, detail, weight, None, shown.image)
    return Comparison(name, kind, "refused, not judged" if kind in _UNJUDGED else "", detail)


def write_table(comparisons: Sequence[Comparison], path: Path) -> None:
    """Counts by cause, then every difference."""
    counts = Counter((c.cause or "no difference", c.source_format) for c in comparisons)
    lines = [f"{len(comparisons)} files", "", "| files | cause | format |", "|---|---|---|"]
    lines += [f"| {count} | {cause} | {kind} |" for (cause, kind), count in counts.most_common()]
    lines += ["", "| file | format | cause | detail |", "|---|---|---|---|"]
    lines += [f"| {c.name} | {c.source_format} | {c.cause} | {c.detail} |" for c in _sort_by_cause(comparisons)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sort_by_cause(comparisons: Sequence[Comparison]) -> list[Comparison]:
    return sorted((c for c in comparisons if c.cause), key=lambda c: (c.cause, -c.difference, c.detail, c.name))


def draw_sheet(comparisons: Sequence[Comparison], path: Path) -> None:
    """The worst differences: this function's picture on the left, Chromium's on the right."""
    worst = sorted((c for c in comparisons if c.cause and (c.ours or c.theirs)), key=lambda c: -c.difference)[:_WORST]
    sheet = Image.new("RGB", (4 * _CELL, max(1, -(-len(worst) // 2)) * (_CELL + 30)), (205, 205, 215))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for i, comparison in enumerate(worst):
        left, top = i % 2 * 2 * _CELL, i // 2 * (_CELL + 30)
        for at, image in ((left, comparison.ours), (left + _CELL, comparison.theirs)):
            if image is not None:
                small = image.copy()
                small.thumbnail((_CELL - 6, _CELL - 6))
                sheet.paste(small, (at + 3, top + 3), small)
        pen.text((left + 3, top + _CELL), f"{comparison.name[:50]}\n{comparison.detail[:56]}", "black", font)
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.rglob("*") if path.is_file())
    comparisons = list(compare_files(paths))
    options.out.mkdir(parents=True, exist_ok=True)
    write_table(comparisons, options.out / "oracle.md")
    draw_sheet(comparisons, options.out / "oracle.png")
    for cause, count in Counter(c.cause or "no difference" for c in comparisons).most_common():
        sys.stdout.write(f"{count:6} {cause}\n")
    sys.stdout.write(f"{options.out / 'oracle.md'}, {options.out / 'oracle.png'}\n")


if __name__ == "__main__":
    main()
