"""Two things at once, where both are C code that works without Python's lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

_MAIN_BYTES, _HELPER_BYTES = 6 << 20, 2 << 20  # what a photo takes on its way to 512 pixels

_helper: ThreadPoolExecutor | None = None


def start_helper() -> None:
    """Starts the second thread of this process, and touches memory for both: the first touch of a page is slow.

    Without it, as in a process that forks, and where the system gives no thread, things are done one after the other.
    """
    global _helper  # noqa: PLW0603  # threads belong to the process
    helper = ThreadPoolExecutor(1)
    try:
        helper.submit(_touch, _HELPER_BYTES).result()
    except RuntimeError:
        return
    _touch(_MAIN_BYTES)
    _helper = helper


def at_once(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Both results."""
    if _helper is None:
        return first(), second()
    other = _helper.submit(first)
    try:
        mine = second()
    finally:
        other.exception()  # waits
    return other.result(), mine


def _touch(size: int) -> None:
    bytes(size)  # untouched; glibc learns from its release to keep as much of what is released later
    bytearray(size)
