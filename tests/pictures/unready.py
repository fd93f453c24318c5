"""A decoder whose processes die while they get ready, and work if they need not."""

from __future__ import annotations

import os
from mmap import mmap

_SERVER = os.getpid()


def start() -> None:
    pass


def get_ready() -> None:
    if os.getpid() != _SERVER:
        os.abort()


def load(order: bytes) -> str:
    return order.decode()


def work(order: bytes, source: mmap) -> bytes:
    return order + source[:]
