"""The real decoder on a runtime that the filter does not fit: every decoding makes a call that it forbids."""

from __future__ import annotations

import os
from mmap import mmap

from image_ingest.picture import decoder


def start() -> None:
    decoder.start()


def get_ready(touched: int) -> None:
    decoder.get_ready(touched)


def load(order: bytes) -> str:
    return decoder.load(order)


def work(order: bytes, source: mmap) -> bytes:
    os.getpgid(0)
    return decoder.work(order, source)
