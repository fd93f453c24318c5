"""Removes credentials from another system's text: whole, in part, cut short, and in encoded forms."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, takewhile

_MASK = "***"
_WHOLE_WORD = 4  # characters; a shorter value is replaced only where it is a word of its own
_PREFIX = 6  # characters of a value that are replaced if the text contains no more of it
_PART = 8  # characters in a row from anywhere in a value that are replaced
_LEVELS = 3  # of encoding within encoding
_ESCAPE = re.compile(
    rb"%(?P<percent>[0-9a-f]{2})|(?P<entity>&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8});)|(?P<unicode>(?:\\u[0-9a-f]{4})+)"
    rb"|\\(?P<plain>[\"'\\/])",
    re.IGNORECASE,
)
_SAME = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ+", b"abcdefghijklmnopqrstuvwxyz ")


def redact(text: str, values: Iterable[str]) -> str:
    """The text with *** in place of what it contains of the values."""
    needles = {needle for value in values for needle in _list_needles(value)}
    parts = {needle[start : start + _PART] for needle in needles for start in range(len(needle) - _PART + 1)}
    hidden = bytearray(len(text))
    view = _read(text)
    for _ in range(_LEVELS):
        data = view.data.translate(_SAME)
        for start, end in chain(_find_parts(data, parts), *(_find_value(data, needle) for needle in needles)):
            first, last = view.starts[start], view.ends[end - 1]
            hidden[first:last] = b"\1" * (last - first)
        decoded = _decode(view)
        if decoded.data == view.data:
            break
        view = decoded
    return _mask(text, hidden)


def _list_needles(value: str) -> Iterator[bytes]:
    data = value.strip().encode(errors="replace")
    if data:
        yield data.translate(_SAME)
        yield base64.b64encode(data).rstrip(b"=").translate(_SAME)


@dataclass(frozen=True)
class _View:
    """A text as bytes, encoded or decoded; each byte has the span of characters that it came from."""

    data: bytes
    starts: list[int]
    ends: list[int]


def _read(text: str) -> _View:
    encoded = [character.encode(errors="replace") for character in text]
    starts = [index for index, data in enumerate(encoded) for _ in data]
    return _View(b"".join(encoded), starts, [start + 1 for start in starts])


def _decode(view: _View) -> _View:
    """The view with one level of URL, HTML and JSON escapes decoded."""
    data, starts, ends = bytearray(), list[int](), list[int]()
    position = 0

    def append(piece: bytes, start: int, end: int) -> None:
        data.extend(piece)
        starts.extend([start] * len(piece))
        ends.extend([end] * len(piece))

    for match in _ESCAPE.finditer(view.data):
        data.extend(view.data[position : match.start()])
        starts.extend(view.starts[position : match.start()])
        ends.extend(view.ends[position : match.start()])
        append(_decode_escape(match), view.starts[match.start()], view.ends[match.end() - 1])
        position = match.end()
    data.extend(view.data[position:])
    return _View(bytes(data), starts + view.starts[position:], ends + view.ends[position:])


def _decode_escape(match: re.Match[bytes]) -> bytes:
    if match["percent"]:
        return bytes.fromhex(match["percent"].decode())
    if match["entity"]:
        import html

        return html.unescape(match["entity"].decode()).encode(errors="replace")
    if match["unicode"]:
        halves = match["unicode"].decode("unicode_escape").encode("utf-16", "surrogatepass")
        return halves.decode("utf-16", errors="replace").encode()
    return match["plain"]


def _find_value(data: bytes, needle: bytes) -> Iterator[tuple[int, int]]:
    """Where the data contains the needle or its beginning."""
    if len(needle) < _WHOLE_WORD:
        for match in re.finditer(rb"(?<![a-z0-9])" + re.escape(needle) + rb"(?![a-z0-9])", data):
            yield match.span()
        return
    beginning = needle[: min(_PREFIX, max(_WHOLE_WORD, len(needle) // 2))]
    for match in re.finditer(b"(?=" + re.escape(beginning) + b")", data):
        start = match.start()
        same = takewhile(lambda pair: pair[0] == pair[1], zip(data[start : start + len(needle)], needle, strict=False))
        yield start, start + sum(1 for _ in same)


def _find_parts(data: bytes, parts: set[bytes]) -> Iterator[tuple[int, int]]:
    """Where the data contains a long part of a needle."""
    for start in range(len(data) - _PART + 1):
        if data[start : start + _PART] in parts:
            yield start, start + _PART


def _mask(text: str, hidden: bytearray) -> str:
    pieces = re.finditer(rb"\x01+|\x00+", bytes(hidden))
    return "".join(_MASK if hidden[piece.start()] else text[piece.start() : piece.end()] for piece in pieces)
