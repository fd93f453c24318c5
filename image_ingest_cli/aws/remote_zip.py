"""Looking into a zip on the web without fetching it whole: its table of contents stands at its end."""

from __future__ import annotations

import io
import os
import re
import zipfile
from typing import Any
from urllib.parse import urlsplit

import requests

from image_ingest_cli.errors import Trouble

_PIECE = 1 << 18  # bytes of one request
_SECONDS = 30


def open_zip(url: str, endpoint: str | None = None) -> zipfile.ZipFile:
    """The zip at this address. Raises Trouble where it cannot be read.

    An emulator names its own address without TLS; `endpoint` is where it really listens.
    """
    if endpoint and urlsplit(endpoint).netloc == urlsplit(url).netloc:
        url = urlsplit(url)._replace(scheme=urlsplit(endpoint).scheme).geturl()
    try:
        return zipfile.ZipFile(io.BufferedReader(_Remote(url), _PIECE))
    except zipfile.BadZipFile:
        raise Trouble("AWS gave something else than a zip.") from None


class _Remote(io.RawIOBase):
    """A file read by ranges, or from memory where the server sends it whole."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._place = 0
        self._whole: bytes | None = None
        self._size = self._measured()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        end = min(self._place + len(buffer), self._size)
        if end <= self._place:
            return 0
        piece = self._range(self._place, end)
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)

    def _measured(self) -> int:
        answer = self._get("bytes=0-0")
        match = re.fullmatch(r"bytes 0-0/(\d+)", answer.headers.get("Content-Range", ""))
        if answer.status_code == requests.codes.partial_content and match:
            return int(match[1])
        self._whole = answer.content
        return len(self._whole)

    def _range(self, start: int, end: int) -> bytes:
        if self._whole is not None:
            return self._whole[start:end]
        return self._get(f"bytes={start}-{end - 1}").content

    def _get(self, asked: str) -> requests.Response:
        try:
            answer = requests.get(
                self._url, headers={"Range": asked}, timeout=_SECONDS, verify=os.environ.get("AWS_CA_BUNDLE") or True
            )
        except requests.RequestException as error:
            raise Trouble(f"AWS's download address cannot be read ({type(error).__name__}).") from None
        if not answer.ok:
            raise Trouble(f"AWS's download address answered {answer.status_code}.")
        return answer
