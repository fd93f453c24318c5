"""Objects that S3 keeps compressed, as their Content-Encoding states."""

from __future__ import annotations

import zlib
from typing import BinaryIO, Protocol

from image_ingest.errors import Rejected

_CHUNK = 2**20
_GZIP = 31  # zlib's name for "with a gzip header"
_MAGIC = b"\x1f\x8b"


class Readable(Protocol):
    """What S3 returns as an object's body."""

    def read(self, amt: int | None = None, /) -> bytes: ...


def is_gzip(content_encoding: str) -> bool:
    """Whether the header names gzip, alone or among others such as `aws-chunked`."""
    return "gzip" in {token.strip().lower().removeprefix("x-") for token in content_encoding.split(",")}


def unpack(body: Readable, file: BinaryIO, limit: int) -> None:
    """Writes what the body unpacks to, or the body itself if it is not packed although it is said to be.

    Raises Rejected `object.too-large` above `limit` bytes, `image.unreadable` if the packing is damaged.
    """
    chunk, written = body.read(_CHUNK), 0
    inflate = zlib.decompressobj(_GZIP) if chunk.startswith(_MAGIC) else None
    while chunk:
        data, chunk = _inflate(inflate, chunk) if inflate else (chunk, b"")
        written += len(data)
        if written > limit:
            raise Rejected("object.too-large", f"The object unpacks to more than {limit} bytes.")
        file.write(data)
        if inflate and inflate.eof:
            return
        chunk = chunk or body.read(_CHUNK)
    if inflate:
        raise Rejected("image.unreadable", "The object's gzip packing (Content-Encoding) is cut off.")


def _inflate(inflate: zlib._Decompress, chunk: bytes) -> tuple[bytes, bytes]:
    try:
        data = inflate.decompress(chunk, _CHUNK)
    except zlib.error:
        raise Rejected("image.unreadable", "The object's gzip packing (Content-Encoding) is damaged.") from None
    return data, inflate.unconsumed_tail
