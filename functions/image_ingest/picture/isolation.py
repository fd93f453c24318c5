"""Runs work on hostile bytes in a process of its own, without the secrets of this one and with limits of its own.

Processes are forked from a fork server (see `fork_server`), which is started once and never held a secret. A process
can be started ahead, so that it is warm when its work comes. It reads the source from a file in memory that it shares
with this process, and answers through a socket. Whatever it breaks is gone with it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Literal

from image_ingest.picture.fork_server import (
    CONFINED,
    FORGET,
    FORK,
    LENGTH,
    LOAD,
    ORDER,
    OUT_OF_MEMORY,
    PROCESS_ID,
    READY,
    REQUEST,
    SERVER_FD,
    STATUS,
    WAIT,
)

Cause = Literal["memory", "cpu", "stalled", "forbidden", "unfit-filter", "crashed", "no-process"]

_CHUNK = 1 << 20
_ANSWERS_WITHIN = 20.0  # seconds; one that takes longer is replaced
_START = "from image_ingest.picture.fork_server import serve; serve({!r})"
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")  # of the environment, and what Python itself reads


class ChildDied(Exception):
    """The child ended without an answer; `cause` says why."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True)
class Limits:
    """What the child may take: bytes beside what it starts with and the source, seconds of computing, on the wall."""

    memory: int
    cpu_seconds: int
    wall_seconds: float


class ForkServer:
    """The fork server of a decoder, which is named by its module's dotted name. Threads may share it."""

    def __init__(self, decoder: str) -> None:
        self._decoder = decoder
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._pid = self._owner = 0

    def start(self) -> None:
        """Starts the process, if it is not started yet; it gets ready by itself. Raises ChildDied `no-process`."""
        with self._lock:
            self._connect()

    def stop(self) -> None:
        """Ends the process and its children."""
        with self._lock:
            self._disconnect()

    def fork(self, source_fd: int, answer_fd: int, touched: int) -> None:
        """Requests a child, which writes its process id to `answer_fd`. Raises ChildDied `no-process`.

        Unless its order comes first, it touches so many bytes of memory.
        """
        for _ in range(2):  # a server that was killed is replaced once
            with self._lock, contextlib.suppress(OSError):
                socket.send_fds(self._connect(), [REQUEST.pack(FORK, touched)], [source_fd, answer_fd])
                return
            self.stop()
        raise ChildDied("no-process")

    def wait(self, pid: int) -> int:
        """How a child ended, which is certain to end; 0 where that cannot be known."""
        with self._lock, contextlib.suppress(OSError):
            if self._socket is not None:
                self._socket.sendall(REQUEST.pack(WAIT, pid))
                return _receive_status(self._socket)
        return 0

    def forget(self, pid: int) -> None:
        """Has the server wait for a child that was killed."""
        self._tell(REQUEST.pack(FORGET, pid))

    def load(self, order: bytes) -> None:
        """Has the server load what this order needs, for the children after this one."""
        self._tell(REQUEST.pack(LOAD, len(order)) + order)

    def _tell(self, request: bytes) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._socket is not None:
                self._socket.sendall(request)

    def _connect(self) -> socket.socket:
        if self._socket is not None and self._owner != os.getpid():  # this process was forked since
            self._socket.close()
            self._socket = None
        if self._socket is None:
            try:
                self._socket, self._pid = _spawn(self._decoder)
            except OSError:
                raise ChildDied("no-process") from None
            self._owner = os.getpid()
            atexit.register(self._socket.close)
        return self._socket

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            if self._owner == os.getpid():
                with contextlib.suppress(ProcessLookupError, ChildProcessError):  # somebody else waits for all children
                    os.kill(self._pid, signal.SIGKILL)
                    os.waitpid(self._pid, 0)


def _spawn(decoder: str) -> tuple[socket.socket, int]:
    """A fork server's socket and process id. Raises OSError."""
    ours, its = socket.socketpair()
    ours.settimeout(_ANSWERS_WITHIN)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, its.fileno(), SERVER_FD),
    ]
    arguments = [sys.executable, "-P", "-c", _START.format(decoder)]
    with its:
        try:
            return ours, os.posix_spawn(sys.executable, arguments, _environment(), file_actions=actions)
        except OSError:
            ours.close()
            raise


def _environment() -> dict[str, str]:
    """What Python needs, and nothing that could be secret."""
    kept = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith("PYTHON")}
    if sys.dont_write_bytecode:
        kept["PYTHONDONTWRITEBYTECODE"] = "1"
    return {**kept, "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path)}


def _receive_status(server: socket.socket) -> int:
    data = server.recv(STATUS.size, socket.MSG_WAITALL)
    if len(data) < STATUS.size:
        raise ConnectionError
    return int(STATUS.unpack(data)[0])


class _Child:
    """A child that was requested, seen from its end of the socket."""

    def __init__(self, peer: socket.socket) -> None:
        self.socket = peer
        self._pid: int | None = None

    def read_pid(self) -> int:
        """Its process id, as soon as it runs. Raises ConnectionError if it never did, TimeoutError."""
        if self._pid is None:
            data = _read(self.socket, PROCESS_ID.size, time.monotonic() + _ANSWERS_WITHIN)
            if data is None:
                raise ConnectionError
            (self._pid,) = PROCESS_ID.unpack(data)
        return self._pid

    def kill(self) -> int:
        """Its process id, or 0 if it never ran."""
        with self.socket:
            try:
                pid = self.read_pid()
            except OSError:
                return 0
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return pid


class Isolation:
    """One piece of work on what is written to `file`, in a process of its own.

    `is_confined` tells, after `run`, whether the kernel filtered the process's system calls; None is unknown.
    """

    def __init__(self, server: ForkServer) -> None:
        """Raises ChildDied `no-process`."""
        self.file = _shared_file()
        self.is_confined: bool | None = None
        self._server = server
        self._child: _Child | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the child that waits for its work."""
        return self._child.read_pid() if self._child else None

    def start(self, touched: int = 0) -> None:
        """Requests the child, if it is not requested yet, and does not wait for it. Raises ChildDied `no-process`.

        `touched` foresees how many bytes its work will touch.
        """
        if self._child is None:
            self._child = self._new_child(touched=touched)

    def stop(self) -> None:
        """Ends the child, if it is started."""
        child, self._child = self._child, None
        if child is not None and (pid := child.kill()):
            self._server.forget(pid)

    def close(self) -> None:
        """Ends the child, if it is started, and gives the file back."""
        self.stop()
        self.file.close()

    def run(self, order: bytes, limits: Limits) -> bytes:
        """What the decoder's `work(order, source)` returns in the child, which ends with it. Raises ChildDied.

        A child that fails before it has taken the order is no fault of the source: `no-process`.
        """
        end = time.monotonic() + limits.wall_seconds
        self.file.flush()
        child, answer = self._give_order(ORDER.pack(len(order), limits.memory, limits.cpu_seconds) + order), None
        try:
            answer = self._answer(child.socket, limits, end)
        except TimeoutError:
            raise ChildDied("stalled") from None
        finally:
            status = self._end(child, answered=answer is not None)
            self._server.load(order)
        if answer is None:
            raise ChildDied(_cause(status))
        return answer

    def _give_order(self, order: bytes) -> _Child:
        """The child, which runs and has the order.

        One that was killed while it waited is replaced, as that is not the source's fault.
        """
        for _ in range(2):
            try:
                if self._child is None:
                    self._child = self._new_child(order=order)
                else:
                    self._child.socket.sendall(order)
                self._child.read_pid()
            except TimeoutError:
                self._server.stop()
            except ConnectionError:
                pass
            else:
                child, self._child = self._child, None
                return child
            self.stop()
        raise ChildDied("no-process")

    def _end(self, child: _Child, *, answered: bool) -> int:
        """Ends the child. How it ended by itself, where it gave no answer."""
        pid, status = child.kill(), 0
        if answered:
            self._server.forget(pid)
        else:
            status = self._server.wait(pid)
        return status

    def _new_child(self, *, touched: int = 0, order: bytes = b"") -> _Child:
        """A child that need not get ready if its order is there before it."""
        try:
            ours, its = socket.socketpair()
        except OSError:
            raise ChildDied("no-process") from None
        with its:
            ours.sendall(order)
            try:
                self._server.fork(self.file.fileno(), its.fileno(), touched)
            except ChildDied:
                ours.close()
                raise
        return _Child(ours)

    def _answer(self, child: socket.socket, limits: Limits, end: float) -> bytes | None:
        """The whole answer, or None when the child ends without one. Raises TimeoutError, ChildDied `no-process`."""
        _read_report(child, len(READY), end)
        self.is_confined = _read_report(child, len(CONFINED), end) == CONFINED
        try:
            head = _read(child, LENGTH.size, end)
            if head is None or LENGTH.unpack(head)[0] > limits.memory:
                return None
            return _read(child, LENGTH.unpack(head)[0], end)
        except ConnectionError:
            return None


def _shared_file() -> BufferedRandom:
    """A file without a name: in memory where the system has that, else on disk. Raises ChildDied `no-process`."""
    with contextlib.suppress(AttributeError, OSError):
        return open(os.memfd_create("source"), "w+b")  # noqa: PTH123  # closed by its owner
    try:
        return tempfile.TemporaryFile()
    except OSError:
        raise ChildDied("no-process") from None


def _read_report(child: socket.socket, size: int, end: float) -> bytes:
    """What a child reports before it looks at the source. Raises TimeoutError, ChildDied `no-process`."""
    with contextlib.suppress(ConnectionError):  # it left its order unread
        if (report := _read(child, size, end)) is not None:
            return report
    raise ChildDied("no-process")


def _read(peer: socket.socket, size: int, end: float) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        peer.settimeout(left)
        part = peer.recv(min(size - len(data), _CHUNK))
        if not part:
            return None
        data += part
    return bytes(data)


def _cause(status: int) -> Cause:
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == OUT_OF_MEMORY:
        return "memory"
    if not os.WIFSIGNALED(status):
        return "crashed"
    by_signal: dict[int, Cause] = {
        signal.SIGXCPU: "cpu",
        signal.SIGKILL: "memory",  # the kernel's, for want of memory
        signal.SIGSYS: "forbidden",
    }
    return by_signal.get(os.WTERMSIG(status), "crashed")
