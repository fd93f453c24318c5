"""Reads parts of a zip on the web without fetching it whole: its table of contents is at its end."""

from __future__ import annotations

import io
import os
import re
import zipfile
from typing import Any
from urllib.parse import urlsplit

import requests

from image_ingest_cli.errors import CommandError

_PIECE = 1 << 18  # bytes of one request
_SECONDS = 30


def open_zip(url: str, endpoint: str | None = None) -> zipfile.ZipFile:
    """The zip at this URL. Raises CommandError if it cannot be read.

    An emulator may name its own URL without TLS; `endpoint` is where it really listens.
    """
    if endpoint and urlsplit(endpoint).netloc == urlsplit(url).netloc:
        url = urlsplit(url)._replace(scheme=urlsplit(endpoint).scheme).geturl()
    try:
        return zipfile.ZipFile(io.BufferedReader(_RemoteFile(url), _PIECE))
    except zipfile.BadZipFile:
        raise CommandError("AWS sent something other than a zip.") from None


class _RemoteFile(io.RawIOBase):
    """A file read by ranges, or from memory if the server sends it whole."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._position = 0
        self._whole: bytes | None = None
        self._size = self._measure()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        end = min(self._position + len(buffer), self._size)
        if end <= self._position:
            return 0
        piece = self._read_range(self._position, end)
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _measure(self) -> int:
        response = self._get("bytes=0-0")
        match = re.fullmatch(r"bytes 0-0/(\d+)", response.headers.get("Content-Range", ""))
        if response.status_code == requests.codes.partial_content and match:
            return int(match[1])
        self._whole = response.content
        return len(self._whole)

    def _read_range(self, start: int, end: int) -> bytes:
        if self._whole is not None:
            return self._whole[start:end]
        return self._get(f"bytes={start}-{end - 1}").content

    def _get(self, byte_range: str) -> requests.Response:
        try:
            response = requests.get(
                self._url,
                headers={"Range": byte_range},
                timeout=_SECONDS,
                verify=os.environ.get("AWS_CA_BUNDLE") or True,
            )
        except requests.RequestException as error:
            raise CommandError(f"AWS's download URL cannot be read ({type(error).__name__}).") from None
        if not response.ok:
            raise CommandError(f"AWS's download URL returned {response.status_code}.")
        return response
