"""The real decoder under a kernel that refuses system-call filters, which another filter pretends."""

from __future__ import annotations

import ctypes
import os
import struct
from mmap import mmap

from image_ingest.picture import decoder, seccomp

_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NOT_PERMITTED, _ALLOW = 0x00050001, 0x7FFF0000
_SERVER = os.getpid()


def start() -> None:
    decoder.start()


def get_ready(_touched: int) -> None:
    """Nothing: what the decoder does here only saves time later."""


def load(order: bytes) -> str:
    if os.getpid() != _SERVER:
        _refuse_filters()
    return decoder.load(order)


def work(order: bytes, source: mmap) -> bytes:
    return decoder.work(order, source)


def _refuse_filters() -> None:
    number = seccomp.MACHINES[os.uname().machine].seccomp
    instructions = (
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_EQUAL, 0, 1, number),
        (_RETURN, 0, 0, _NOT_PERMITTED),
        (_RETURN, 0, 0, _ALLOW),
    )
    block = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in instructions))
    program = struct.pack("HxxxxxxQ", len(instructions), ctypes.addressof(block))
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.syscall(number, 1, 0, program) == 0
