"""A decoder that does what the end of its source tells it: harm, or the work of the real decoder.

A source that ends with `DO:name argument` has the function of this name called, which is how a picture looks that has
taken its decoder over.
"""

from __future__ import annotations

import ctypes
import json
import os
import threading
from collections.abc import Callable
from mmap import mmap

from image_ingest.picture import decoder
from tests.pictures.attacks import ANSWER_FD, ATTACKS, run_in_a_thread

SURVIVED = b"survived"
_MARK = b"DO:"


def with_order(source: bytes, name: str, argument: str = "") -> bytes:
    """The source, with what is to be done instead of decoding it."""
    return source + _MARK + f"{name} {argument}".encode()


def start() -> None:
    decoder.start()


def get_ready(touched: int) -> None:
    decoder.get_ready(touched)


def load(order: bytes) -> str:
    return decoder.load(order if order.startswith(b"{") else json.dumps({"source_format": order.decode()}).encode())


def work(order: bytes, source: mmap) -> bytes:
    _, mark, text = source[-60_000:].rpartition(_MARK)
    if not mark:
        return decoder.work(order, source)
    name, _, argument = text.decode().partition(" ")
    doing = ATTACKS.get(name) or _HARM[name]
    return doing(argument) or SURVIVED


def echo(text: str) -> bytes:
    return text.encode()


def forge(text: str) -> bytes:
    """An answer; \\x7f stands for the byte that begins a PNG."""
    return text.encode().replace(b"\x7f", b"\x89")


def answer_large(size: str) -> bytes:
    return bytes(range(256)) * (int(size) // 256)


def make_noise(_: str) -> None:
    os.write(1, b"out")
    os.write(2, b"err")
    library = ctypes.CDLL(None)
    library.printf(b"out\n")
    library.fflush(None)


def crash(_: str) -> None:
    ctypes.string_at(0)


def fail(_: str) -> None:
    raise ZeroDivisionError


def compute(_: str) -> None:
    while True:
        pass


def allocate(_: str) -> bytes:
    return bytes(bytearray(b"x") * 200_000_000)


def reserve(size: str) -> None:
    bytearray(int(size))


def stall(_: str) -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def answer_half(_: str) -> None:
    os.write(ANSWER_FD, b"\0\0\0\0\0\0\0\x09half")
    os._exit(0)


def answer_without_end(_: str) -> None:
    os.write(ANSWER_FD, b"\xff" * 8)
    while True:
        os.write(ANSWER_FD, bytes(65_536))


def open_a_file_in_a_thread(_: str) -> None:
    run_in_a_thread("open")


_HARM: dict[str, Callable[[str], bytes | None]] = {
    function.__name__: function
    for function in (
        echo,
        forge,
        answer_large,
        make_noise,
        crash,
        fail,
        compute,
        allocate,
        reserve,
        stall,
        answer_half,
        answer_without_end,
        open_a_file_in_a_thread,
    )
}
