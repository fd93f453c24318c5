"""Ways to make an upright sRGB JPEG of bounded size out of a photo, each timed from bytes to bytes."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageOps

from image_ingest.picture import pipeline
from image_ingest.settings import PictureSettings

os.environ["VIPS_CONCURRENCY"] = "1"  # read when libvips is loaded: all contestants have one core

# Loaded by name, so that type checks pass where the packages of the bench are not installed.
pyvips: Any = importlib.import_module("pyvips")
simplejpeg: Any = importlib.import_module("simplejpeg")

QUALITY = 85
Contestant = Callable[[bytes, int], bytes]

_SHARP = """
const sharp = require('sharp'), fs = require('fs');
require('readline').createInterface({input: process.stdin}).on('line', async line => {
  const {path, box} = JSON.parse(line), data = fs.readFileSync(path), start = process.hrtime.bigint();
  await sharp(data).rotate().resize(box, box, {fit: 'inside', withoutEnlargement: true})
    .jpeg({quality: 85}).toBuffer();
  console.log(Number(process.hrtime.bigint() - start) / 1e6);
});
"""


def naive(source: bytes, box: int) -> bytes:
    """A tutorial's way: everything decoded, resized, saved; lies on its side, with the wrong colours."""
    with Image.open(BytesIO(source)) as image:
        return _saved(image, box)


def naive_icc(source: bytes, box: int) -> bytes:
    """The same with orientation and colours put right, before the resize."""
    with Image.open(BytesIO(source)) as image:
        profile = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
        upright = ImageOps.exif_transpose(image)
        converted = ImageCms.profileToProfile(upright, profile, ImageCms.createProfile("sRGB"))
        assert converted is not None
        return _saved(converted, box)


def _saved(image: Image.Image, box: int) -> bytes:
    scale = min(box / image.width, box / image.height)
    small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def vips(source: bytes, box: int) -> bytes:
    """Libvips' own thumbnail operation."""
    small = pyvips.Image.thumbnail_buffer(source, box, height=box, size="down", export_profile="srgb")
    return bytes(small.jpegsave_buffer(Q=QUALITY, keep="none"))


def in_process(source: bytes, box: int) -> bytes:
    """This function's own steps in a warm process that keeps the colour transform: no isolation, the result unchecked.

    Hardly more than what Pillow takes to decode, resize, convert and encode.
    """
    _, small = pipeline.shrink_source(source, "JPEG", PictureSettings(max_width=box, max_height=box), 2**40)
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def floor(source: bytes, box: int) -> bytes:
    """What nobody beats: libjpeg-turbo's 1/8 decode and an encode; no box, no colours, no orientation."""
    height, width, *_ = simplejpeg.decode_jpeg_header(source)
    return bytes(simplejpeg.encode_jpeg(simplejpeg.decode_jpeg(source, min_height=height // 8, min_width=width // 8)))


CONTESTANTS: dict[str, Contestant] = {
    "naive": naive,
    "naive+ICC": naive_icc,
    "pyvips": vips,
    "in process": in_process,
    "floor": floor,
}


class Timer:
    """A contestant in a process of its own, which times itself: a line of JSON in, milliseconds out."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def milliseconds(self, path: Path, box: int) -> float:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"path": str(path), "box": box}) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


def timers() -> dict[str, Timer]:
    """This function, in a process as small as Lambda's; sharp, where Node and the package are there."""
    ours = (sys.executable, "-m", "tests.benchmarks.ours")
    found = {"ours": Timer(*ours), "ours, late": Timer(*ours, "--late")}
    node = shutil.which("node")
    if node and subprocess.run([node, "-e", "require('sharp')"], capture_output=True, check=False).returncode == 0:
        found["sharp"] = Timer(node, "-e", _SHARP)
    return found


def milliseconds(contestant: Contestant, source: bytes, box: int) -> float:
    start = time.perf_counter()
    contestant(source, box)
    return (time.perf_counter() - start) * 1000
