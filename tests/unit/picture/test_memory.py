"""Memory is estimated well before decoding."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from image_ingest.aws import StoredObject
from image_ingest.checks import check_readable
from image_ingest.errors import Rejected
from image_ingest.picture import Preparation, identify_format
from image_ingest.picture.formats import import_decoder, open_image
from image_ingest.picture.limits import estimate_memory
from image_ingest.settings import PictureSettings, Settings
from tests import ROOT
from tests.pictures.makers import encoded
from tests.pictures.scene import heic

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "functions"), str(ROOT)))}
MIB = 2**20
REQUIRED = dict.fromkeys(("SUPEROFFICE_SECRET_ID", "LEDGER_TABLE_NAME", "DEAD_LETTER_QUEUE_URL"), "x")
SIZE = (1400, 1050)
LARGE = (2900, 2175)  # less than six times the result, so reduced in no whole steps


def _photo(mode: str) -> Image.Image:
    grey = Image.effect_noise((SIZE[0] // 8, SIZE[1] // 8), 80).resize(SIZE)
    return Image.merge("RGBA", [grey, grey.transpose(Image.Transpose.ROTATE_180), grey, grey]).convert(mode)


FILES: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encoded(_photo("RGB"), "JPEG"),
    "jpeg-progressive-444": lambda: encoded(_photo("RGB"), "JPEG", progressive=True, subsampling=0),
    "jpeg-progressive-cmyk": lambda: encoded(_photo("CMYK"), "JPEG", progressive=True),
    "png": lambda: encoded(_photo("RGB"), "PNG", compress_level=1),
    "png-alpha": lambda: encoded(_photo("RGBA"), "PNG", compress_level=1),
    "png-grey": lambda: encoded(_photo("L"), "PNG", compress_level=1),
    "png-palette": lambda: encoded(_photo("L").convert("P"), "PNG", compress_level=1),
    "png-palette-large": lambda: encoded(_photo("L").resize(LARGE).convert("P"), "PNG", compress_level=1),
    "png-alpha-large": lambda: encoded(_photo("RGBA").resize(LARGE), "PNG", compress_level=1),
    "png-palette-transparent-large": lambda: encoded(
        _photo("L").resize(LARGE).convert("P"), "PNG", compress_level=1, transparency=bytes(range(256))
    ),
    "png-palette-transparent-wide": lambda: encoded(
        Image.new("P", (6144, 1408)), "PNG", compress_level=1, transparency=bytes(range(256))
    ),
    "gif": lambda: encoded(_photo("L").convert("P"), "GIF"),
    "tiff-lzw": lambda: encoded(_photo("RGB"), "TIFF", compression="tiff_lzw"),
    "tiff-float-wide": lambda: encoded(Image.new("F", (6144, 1408)), "TIFF", compression="tiff_adobe_deflate"),
    "tiff-turned": lambda: encoded(_photo("RGB"), "TIFF", compression="tiff_lzw", tiffinfo={274: 6}),
    "webp": lambda: encoded(_photo("RGB"), "WEBP", method=0),
    "webp-lossless-alpha": lambda: encoded(_photo("RGBA"), "WEBP", lossless=True, method=0, quality=0),
    "bmp": lambda: encoded(_photo("RGB"), "BMP"),
    "avif": lambda: encoded(_photo("RGB"), "AVIF", speed=10),
    "avif-alpha-444": lambda: encoded(_photo("RGBA"), "AVIF", speed=10, subsampling="4:4:4"),
    "heic": lambda: heic(_photo("RGB"), quality=50),
    "heic-alpha": lambda: heic(_photo("RGBA"), quality=50),
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from Linux")
def test_no_file_takes_more_than_was_estimated(tmp_path: Path) -> None:
    for name, make in FILES.items():
        (tmp_path / name).write_bytes(make())
    command = [sys.executable, "-m", "tests.pictures.memory", *sorted(map(str, tmp_path.iterdir()))]
    result = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, check=True, capture_output=True, timeout=900)
    measured = {Path(name).name: figures for name, figures in json.loads(result.stdout).items()}
    assert measured.keys() == FILES.keys()
    assert not {name: figures for name, figures in measured.items() if figures["used"] > figures["estimated"]}


@pytest.mark.parametrize(
    ("encoder", "mode", "options", "of_a_pixel"),
    [
        ("JPEG", "RGB", {}, 4),
        ("JPEG", "RGB", {"progressive": True}, 4 + 3),
        ("JPEG", "RGB", {"progressive": True, "subsampling": 0}, 4 + 6),
        ("JPEG", "CMYK", {"progressive": True}, 4 + 8),
        ("PNG", "P", {}, 1),
        ("PNG", "L", {}, 1),
        ("PNG", "I;16", {}, 2),
        ("PNG", "RGB", {}, 4),
        ("TIFF", "RGB", {}, 4),
        ("TIFF", "RGB", {"tiffinfo": {274: 3}}, 8),
        ("BMP", "P", {}, 2),
        ("BMP", "RGB", {}, 5),
        ("GIF", "P", {}, 2),
        ("WEBP", "RGB", {}, 17),
        ("AVIF", "RGB", {}, 10),
        ("HEIF", "RGB", {}, 10),
    ],
)
def test_the_estimate_is_what_the_documents_say(
    encoder: str, mode: str, options: dict[str, Any], of_a_pixel: int
) -> None:
    image = Image.new(mode, (240, 160))
    source = heic(image) if encoder == "HEIF" else encoded(image, encoder, **options)
    copied = len(source) if encoder in ("WEBP", "AVIF", "HEIF") else 0
    assert _estimate(source, (41, 27)) == of_a_pixel * 240 * 160 + copied + 16 * 41 * 27 + 24 * MIB


@pytest.mark.parametrize(
    ("result", "reduced"), [((41, 27), 0), ((40, 27), 120 * 160), ((40, 26), 120 * 80), ((24, 16), 80 * 53)]
)
def test_the_estimate_counts_the_reduction_of_what_is_six_times_the_result(
    result: tuple[int, int], reduced: int
) -> None:
    estimate = _estimate(encoded(Image.new("RGB", (240, 160)), "PNG"), result)
    estimate -= 4 * 240 * 160 + 16 * result[0] * result[1] + 24 * MIB
    assert estimate == pytest.approx(4 * reduced, rel=0.01)


def _estimate(source: bytes, result: tuple[int, int]) -> int:
    source_format = identify_format(source)
    import_decoder(source_format)
    return estimate_memory(open_image(source_format, source), source, result)


@pytest.mark.parametrize(
    ("mebibytes", "limit", "size", "names"),
    [
        (1024, 50 * MIB, 50 * MIB, None),
        (1024, 50 * MIB, 50 * MIB + 1, "IMAGE_MAX_SOURCE_BYTES is 52428800"),
        (1024, 5000 * MIB, 840 * MIB, None),
        (1024, 5000 * MIB, 840 * MIB + 1, "memory has room for 880803840"),
        (128, 50 * MIB, 16 * MIB + 1, "memory has room for 16777216"),
    ],
)
def test_a_source_that_memory_cannot_hold_is_refused_whatever_the_setting(
    mebibytes: int, limit: int, size: int, names: str | None
) -> None:
    variables = {"IMAGE_MAX_SOURCE_BYTES": str(limit), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(mebibytes)}
    settings = Settings.from_environment(REQUIRED | variables)
    obj = StoredObject(
        "bucket", "key", None, "etag", size, "2026-11-27T10:00:00.000Z", "image/jpeg", {}, archived=False
    )
    if names is None:
        check_readable(obj, settings)
        return
    with pytest.raises(Rejected, match=names) as refusal:
        check_readable(obj, settings)
    assert refusal.value.code == "object.too-large"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process has touched is read from Linux")
def test_a_process_that_is_started_ahead_touches_what_its_picture_will_take() -> None:
    small, usual, large, huge = (_measure_touched(*box) for box in ((130, 180), (512, 512), (1024, 1024), (4096, 4096)))
    assert usual - small == pytest.approx(5.5 * MIB, abs=MIB)
    assert large - small == pytest.approx(15.5 * MIB, abs=MIB)
    assert huge - small == pytest.approx(15.5 * MIB, abs=MIB)


def _measure_touched(width: int, height: int) -> int:
    """Bytes of its own that a process has which waits for a photo to be made that large."""
    with closing(Preparation()) as preparation:
        preparation.start(PictureSettings(max_width=width, max_height=height))
        process = Path(f"/proc/{preparation._isolation.pid}")
        while process.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "S":
            time.sleep(0.01)
        rollup = process.joinpath("smaps_rollup").read_text()
        return sum(int(size) for size in re.findall(r"^Private_\w+: +(\d+) kB", rollup, re.MULTILINE)) * 1024
