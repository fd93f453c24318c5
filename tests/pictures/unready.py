"""A decoder whose processes die of an order that comes while they get ready, and work if it was there before."""

from __future__ import annotations

import os
import select
from mmap import mmap

from image_ingest.picture import seccomp

_SERVER = os.getpid()


def start() -> None:
    pass


def get_ready(_touched: int) -> None:
    if os.getpid() != _SERVER:
        select.select([seccomp.ANSWER_FD], [], [])
        os.abort()


def load(order: bytes) -> str:
    return order.decode()


def work(order: bytes, source: mmap) -> bytes:
    return order + source[:]
