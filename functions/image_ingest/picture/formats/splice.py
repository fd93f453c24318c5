"""Parts of a source, and bytes in between, read as one file without a copy of the whole."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable
from io import BytesIO
from itertools import accumulate
from typing import Any

from image_ingest.picture.formats import Source


def open_file(source: Source) -> Any:
    """The whole source as a file, at its start."""
    if isinstance(source, bytes):
        return BytesIO(source)
    source.seek(0)
    return source


class Splice:
    """A read-only file made of parts. Decoders get it in place of the source."""

    def __init__(self, parts: Iterable[bytes | memoryview]) -> None:
        self.parts = [part for part in parts if len(part)]
        self._starts = [0, *accumulate(len(part) for part in self.parts)]
        self._at = 0

    def __len__(self) -> int:
        return self._starts[-1]

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, all that are left if it is negative."""
        end = len(self) if size is None or size < 0 else min(len(self), self._at + size)
        pieces = []
        while self._at < end:
            i = bisect_right(self._starts, self._at) - 1
            begin = self._at - self._starts[i]
            pieces.append(self.parts[i][begin : begin + end - self._at])
            self._at += len(pieces[-1])
        return b"".join(pieces)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self)}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at
