"""A decoder that looks through all of its own memory for a secret, whose letters it is told in reverse."""

from __future__ import annotations

import re
from mmap import mmap

_MEMORY: list[bytes] = []
_LARGEST = 1 << 28


def start() -> None:
    pass


def get_ready(_touched: int) -> None:
    pass


def load(order: bytes) -> str:
    """Reads its memory while it still may."""
    with open("/proc/self/maps", encoding="ascii") as maps, open("/proc/self/mem", "rb", 0) as memory:  # noqa: PTH123
        for line in maps:
            start, end = (int(address, 16) for address in line.split()[0].split("-"))
            if re.search(r" r\S+ ", line) and "[v" not in line and end - start < _LARGEST:
                memory.seek(start)
                _MEMORY.append(memory.read(end - start))
    assert any(b"tests.pictures.looking" in part for part in _MEMORY)
    return order.decode()


def work(_order: bytes, source: mmap) -> bytes:
    secret = source[::-1]
    found = sum(part.count(secret) for part in _MEMORY)
    return f"looked through memory; copies of the secret: {found}".encode()
