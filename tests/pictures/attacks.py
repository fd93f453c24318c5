"""What code that has taken a decoder over would try. Each function comes back when nothing stops it."""

from __future__ import annotations

import ctypes
import mmap as maps
import os
import platform
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ANSWER_FD = 4
ATTACKS: dict[str, Callable[[str], bytes | None]] = {}

_LIBC = ctypes.CDLL(None)
_ARM64 = platform.machine() == "aarch64"


def _attack(function: Callable[[str], bytes | None]) -> Callable[[str], bytes | None]:
    ATTACKS[function.__name__] = function
    return function


def _call(x86_64: int, arm64: int, *arguments: Any) -> None:
    _LIBC.syscall(arm64 if _ARM64 else x86_64, *arguments)


def run_in_a_thread(function: str) -> None:
    """Has a thread call a function of the C library, with no help of Python's."""
    thread = ctypes.c_ulong()
    assert _LIBC.pthread_create(ctypes.byref(thread), None, getattr(_LIBC, function), b"/dev/null") == 0
    _LIBC.pthread_join(thread, None)


@_attack
def read_environment(_: str) -> bytes:
    return Path("/proc/self/environ").read_bytes()


@_attack
def read_memory_of_the_worker(pid: str) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


@_attack
def open_a_file(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))


@_attack
def open_a_socket(_: str) -> None:
    socket.socket().close()


@_attack
def connect(port: str) -> None:
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        connection.sendall(b"loot")


@_attack
def fork(_: str) -> None:
    if os.fork() == 0:
        os._exit(0)


@_attack
def spawn(_: str) -> None:
    subprocess.run(["/bin/true"], check=True)


@_attack
def execute(_: str) -> None:
    os.execv("/bin/true", ["true"])


@_attack
def start_a_thread(_: str) -> None:
    run_in_a_thread("strlen")


@_attack
def kill(pid: str) -> None:
    os.kill(int(pid), signal.SIGKILL)


@_attack
def signal_a_thread(_: str) -> None:
    signal.pthread_kill(threading.get_ident(), 0)


@_attack
def read_another_descriptor(_: str) -> None:
    os.read(0, 1)


@_attack
def read_the_answer_socket(_: str) -> None:
    os.set_blocking(ANSWER_FD, False)


@_attack
def write_another_descriptor(_: str) -> None:
    os.write(5, b"loot")


@_attack
def send_a_descriptor(_: str) -> None:
    socket.send_fds(socket.socket(fileno=ANSWER_FD), [b"x"], [1])


@_attack
def duplicate_a_descriptor(_: str) -> None:
    os.dup(ANSWER_FD)


@_attack
def list_a_folder(_: str) -> None:
    list(Path("/").iterdir())


@_attack
def map_code(_: str) -> None:
    maps.mmap(-1, 4096, prot=maps.PROT_READ | maps.PROT_WRITE | maps.PROT_EXEC)


@_attack
def map_a_file(_: str) -> None:
    _LIBC.mmap(None, ctypes.c_size_t(4096), 1, 1, ANSWER_FD, ctypes.c_size_t(0))


@_attack
def make_code_of_data(_: str) -> None:
    data = ctypes.create_string_buffer(8192)
    _LIBC.mprotect(ctypes.c_void_p((ctypes.addressof(data) + 4095) & ~4095), ctypes.c_size_t(4096), 7)


@_attack
def ptrace(pid: str) -> None:
    _call(101, 117, 16, int(pid))  # PTRACE_ATTACH


@_attack
def read_other_memory(pid: str) -> None:
    _call(310, 270, int(pid), 0, 0, 0, 0, 0)


@_attack
def change_process(_: str) -> None:
    _call(157, 167, 4, 1)  # PR_SET_DUMPABLE


@_attack
def make_a_ring(_: str) -> None:
    _call(425, 425, 8, ctypes.create_string_buffer(256))


@_attack
def make_a_memory_file(_: str) -> None:
    _call(319, 279, ctypes.create_string_buffer(b"loot"), 0)


@_attack
def catch_page_faults(_: str) -> None:
    _call(323, 282, 0)


@_attack
def load_a_program(_: str) -> None:
    _call(321, 280, 0, 0, 0)  # bpf


@_attack
def leave_namespaces(_: str) -> None:
    _call(272, 97, 0x10000000)  # unshare


@_attack
def use_another_table(_: str) -> None:
    _call(0x40000000 | 1, 0x40000000 | 64, 1, ctypes.create_string_buffer(b"x"), 1)  # write, of the x32 table


@_attack
def rest(_: str) -> None:
    time.sleep(0.001)
