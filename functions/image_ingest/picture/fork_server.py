"""The process that decoding children are forked from, and the children.

The fork server is a Python process of its own, started with an environment without secrets. It imports the decoder and
nothing else of the function, so no credential and no secret was ever in its memory or in its children's.

A child gets ready, unless its order is there already, and takes the order. Before it looks at the source it takes its
limits and installs the system-call filter. It answers through a socket, leaves by `os._exit`, and is never used again.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import os
import resource
import select
import signal
import socket
import struct
import sys
import warnings
from mmap import PROT_READ, mmap
from typing import NoReturn, Protocol

from image_ingest.picture import seccomp

SERVER_FD = 3
OUT_OF_MEMORY = 87  # a child's exit status for a MemoryError
FORK, WAIT, FORGET, LOAD = b"F", b"W", b"R", b"L"
# With FORK go the bytes to touch and two descriptors, with WAIT and FORGET a process id, with LOAD an order's size.
REQUEST = struct.Struct("!cQ")
STATUS = struct.Struct("!q")  # the reply to WAIT, as of `os.waitpid`; no other request has a reply
PROCESS_ID = struct.Struct("!Q")  # a child writes it first; if FORK fails, its socket is closed instead
ORDER = struct.Struct("!QQQ")  # bytes of the order, bytes of memory, seconds of computing
LENGTH = struct.Struct("!Q")
READY = b"\1"
CONFINED, UNCONFINED = b"\1", b"\0"

_SOURCE_FD, _FIRST_OTHER_FD = 3, 5


class Decoder(Protocol):
    """A module that decodes, named by its dotted name."""

    def start(self) -> None:
        """Loads, once in the server, what every child needs."""

    def get_ready(self, touched: int) -> None:
        """Does in a child that waits for its order what is slow the first time. Its work will touch so many bytes."""

    def load(self, order: bytes) -> str:
        """Imports and opens what this order needs. The name of the source's format."""

    def work(self, order: bytes, source: mmap) -> bytes:
        """The answer. It can import and open nothing."""


def serve(name: str) -> NoReturn:
    """Forks children of the decoder with this name, until the other end of the socket is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted terminal tells the parent, which closes the socket
    warnings.simplefilter("ignore")
    _close_from(SERVER_FD + 1)
    parent = socket.socket(fileno=SERVER_FD)
    decoder: Decoder = importlib.import_module(name)
    decoder.start()
    seccomp.load()
    children: set[int] = set()
    while (request := _receive_request(parent)) is not None:
        (command, number), descriptors = request
        if command == FORK:
            with contextlib.suppress(OSError):  # closed descriptors tell the parent
                children.add(_fork(decoder, number, descriptors))
        elif command == LOAD:
            decoder.load(parent.recv(number, socket.MSG_WAITALL))
        else:
            status = os.waitpid(number, 0)[1] if number in children else 0
            children.discard(number)
            if command == WAIT:
                parent.sendall(STATUS.pack(status))
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


def _receive_request(parent: socket.socket) -> tuple[tuple[bytes, int], list[int]] | None:
    try:
        data, descriptors, _, _ = socket.recv_fds(parent, REQUEST.size, 2, socket.MSG_WAITALL)
    except ConnectionError:
        return None
    return (REQUEST.unpack(data), descriptors) if len(data) == REQUEST.size else None


def _fork(decoder: Decoder, touched: int, descriptors: list[int]) -> int:
    try:
        pid = os.fork()
        if pid == 0:
            _child_main(decoder, touched, *descriptors)
        return pid
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _child_main(decoder: Decoder, touched: int, source_fd: int, answer_fd: int) -> NoReturn:
    try:
        _let_go_of_the_parent(source_fd, answer_fd)
        _write(PROCESS_ID.pack(os.getpid()))
        if not _has_order():
            decoder.get_ready(touched)
        _write(READY)
        size, memory, cpu_seconds = ORDER.unpack(_receive(ORDER.size))
        order = _receive(size)
        source_format = decoder.load(order)
        source = mmap(_SOURCE_FD, 0, prot=PROT_READ)
        _take_limits(memory, cpu_seconds)
        _close_all_but_the_answer()
        _write(CONFINED if seccomp.confine(source_format) else UNCONFINED)
        answer = decoder.work(order, source)
        _write(LENGTH.pack(len(answer)) + answer)
        os._exit(0)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    finally:
        os._exit(1)


def _let_go_of_the_parent(source_fd: int, answer_fd: int) -> None:
    gc.disable()  # a collection would copy the parent's pages
    kept = [fcntl.fcntl(fd, fcntl.F_DUPFD, _FIRST_OTHER_FD) for fd in (source_fd, answer_fd)]
    os.dup2(kept[0], _SOURCE_FD)
    os.dup2(kept[1], seccomp.ANSWER_FD)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # C libraries write their warnings there
        os.dup2(null, stream)
    _close_from(_FIRST_OTHER_FD)
    _lower(resource.RLIMIT_CORE, 0)  # a core file would hold the photo
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # if the kernel must kill, then the child, not the worker
            file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
            os.write(file, b"1000")
            os.close(file)


def _close_all_but_the_answer() -> None:
    os.close(_SOURCE_FD)
    _close_from(_FIRST_OTHER_FD)  # the map of the source has a descriptor of its own


def _close_from(descriptor: int) -> None:
    os.closerange(descriptor, min(os.sysconf("SC_OPEN_MAX"), 65_536))


def _take_limits(memory: int, cpu_seconds: int) -> None:
    _lower(resource.RLIMIT_CPU, cpu_seconds)
    if sys.platform == "linux":
        _lower(resource.RLIMIT_DATA, _data_bytes() + memory)


def _data_bytes() -> int:
    """What RLIMIT_DATA counts of this process so far."""
    file = os.open("/proc/self/statm", os.O_RDONLY)
    pages = os.read(file, 200).split()[5]
    os.close(file)
    return int(pages) * resource.getpagesize()


def _lower(what: int, limit: int) -> None:
    hard = resource.getrlimit(what)[1]
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(what, (soft, hard))


def _has_order() -> bool:
    """Whether the order came before the child did: what is slow the first time would then be slow twice."""
    return bool(select.select([seccomp.ANSWER_FD], [], [], 0)[0])


def _receive(size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = os.read(seccomp.ANSWER_FD, size - len(data))
        if not part:
            os._exit(0)  # the parent is gone, or has no use for this child
        data += part
    return data


def _write(answer: bytes) -> None:
    view = memoryview(answer)
    while view:
        view = view[os.write(seccomp.ANSWER_FD, view) :]
