"""One hostile picture harms nothing but itself: not the process, not its streams and files, not the next picture."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, Rejected
from image_ingest.picture import preparation as preparation_module
from image_ingest.picture import prepare, warm_up
from image_ingest.picture.isolation import ChildDied, ForkServer, Isolation, Limits
from image_ingest.settings import PictureSettings
from tests import ROOT
from tests.pictures.checks import prepared
from tests.pictures.hostile import with_order
from tests.pictures.makers import encoded
from tests.pictures.scene import scene

LIMITS = Limits(memory=64 * 2**20, cpu_seconds=1, wall_seconds=20)
SOURCE = encoded(scene(), "PNG")


@pytest.fixture(scope="module")
def hostile() -> Iterator[ForkServer]:
    server = ForkServer("tests.pictures.hostile")
    server.start()
    yield server
    server.stop()


def run_isolated(server: ForkServer, name: str, argument: str = "", limits: Limits = LIMITS) -> bytes:
    """What the hostile decoder's function with this name returns, in a process of its own."""
    with closing(Isolation(server)) as isolation:
        isolation.file.write(with_order(b"", name, argument))
        return isolation.run(b"PNG", limits)


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _children() -> set[str]:
    """Process ids of this process's children, ended ones that nobody waited for among them."""
    lists = Path("/proc/self/task").glob("*/children")
    return {child for each in lists for child in each.read_text(encoding="ascii").split()}


def _await_end(process: Path) -> None:
    until = time.monotonic() + 10
    while process.exists() and "zombie" not in (process / "status").read_text() and time.monotonic() < until:
        time.sleep(0.01)
    assert not process.exists() or "zombie" in (process / "status").read_text()


def _await_sleep(process: Path) -> None:
    until = time.monotonic() + 10
    while "(sleeping)" not in (process / "status").read_text():
        assert time.monotonic() < until
        time.sleep(0.01)


def _start_another() -> tuple[ForkServer, int]:
    """A fork server that has made one child, and its process id."""
    before = _children()
    server = ForkServer("tests.pictures.hostile")
    assert run_isolated(server, "echo", "one") == b"one"
    (pid,) = map(int, _children() - before)
    return server, pid


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(hostile: ForkServer) -> Iterator[None]:
    hostile.start()
    warm_up()
    before = _open_files(), _children()
    yield
    assert (_open_files(), _children()) == before


@pytest.mark.parametrize(
    ("harm", "cause"),
    [
        ("crash", "crashed"),
        ("fail", "crashed"),
        ("answer_half", "crashed"),
        ("answer_without_end", "memory"),
        ("allocate", "memory"),
        ("compute", "cpu"),
        ("fork", "forbidden"),
    ],
)
def test_the_cause_of_a_death_is_told(hostile: ForkServer, harm: str, cause: str) -> None:
    with pytest.raises(ChildDied) as death:
        run_isolated(hostile, harm)
    assert death.value.cause == cause


def test_a_death_by_the_kernels_hand_counts_as_want_of_memory(hostile: ForkServer) -> None:
    with closing(Isolation(hostile)) as isolation:
        isolation.file.write(with_order(b"", "stall"))
        isolation.start()
        assert isolation.pid
        timer = threading.Timer(0.5, os.kill, (isolation.pid, signal.SIGKILL))
        timer.start()
        with pytest.raises(ChildDied) as death:
            isolation.run(b"PNG", LIMITS)
        timer.join()
    assert death.value.cause == "memory"


@pytest.mark.parametrize(("mebibytes", "allowed"), [(60, True), (110, False)])
def test_a_child_gets_the_memory_of_its_order_beside_what_it_starts_with(
    hostile: ForkServer, mebibytes: int, *, allowed: bool
) -> None:
    """The limit is 64 MiB; the C library may have up to 32 more in reserve."""
    size = str(mebibytes * 2**20)
    if allowed:
        assert run_isolated(hostile, "reserve", size) == b"survived"
        return
    with pytest.raises(ChildDied) as death:
        run_isolated(hostile, "reserve", size)
    assert death.value.cause == "memory"


def test_a_child_holds_nothing_but_its_answer_and_leaves_no_core_file() -> None:
    """Whatever the worker has open, and would pass on."""
    opened = [os.dup(0) for _ in range(8)]
    for descriptor in range(4, 9):
        os.set_inheritable(descriptor, True)
    server, pid = _start_another()
    for descriptor in range(4, 9):
        os.set_inheritable(descriptor, False)
    for descriptor in opened:
        os.close(descriptor)
    assert _list_descriptors(pid).keys() == {0, 1, 2, 3}
    _, most = resource.prlimit(pid, resource.RLIMIT_CORE)
    resource.prlimit(pid, resource.RLIMIT_CORE, (most, most))
    with closing(Isolation(server)) as isolation, ThreadPoolExecutor(1) as pool:
        isolation.file.write(with_order(b"", "stall"))
        isolation.start()
        child = isolation.pid
        assert child
        working = pool.submit(isolation.run, b"PNG", LIMITS)
        until = time.monotonic() + 10
        while _list_descriptors(child).keys() != {0, 1, 2, 4} and time.monotonic() < until:
            time.sleep(0.01)
        held, process = _list_descriptors(child), Path(f"/proc/{child}")
        limits, adjusted = (process / "limits").read_text(), (process / "oom_score_adj").read_text()
        os.kill(child, signal.SIGKILL)
        assert isinstance(working.exception(), ChildDied)
    server.stop()
    assert held.pop(4).startswith("socket:")
    assert held == dict.fromkeys(range(3), "/dev/null")
    assert re.search(r"Max core file size +0 ", limits)
    assert adjusted == "1000\n"


def _list_descriptors(pid: int) -> dict[int, str]:
    """What the process has open, by its number."""
    return {int(each.name): str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}


def test_a_stall_ends_on_the_wall_clock(hostile: ForkServer) -> None:
    with pytest.raises(ChildDied) as death:
        run_isolated(hostile, "stall", limits=Limits(memory=2**26, cpu_seconds=2, wall_seconds=0.3))
    assert death.value.cause == "stalled"


def test_a_child_started_ahead_gets_its_work_later(hostile: ForkServer) -> None:
    with closing(Isolation(hostile)) as isolation:
        isolation.start()
        isolation.file.write(with_order(b"", "echo", "done"))
        assert isolation.run(b"PNG", LIMITS) == b"done"


def test_starting_a_child_waits_for_nothing() -> None:
    server, pid = _start_another()
    with closing(Isolation(server)) as isolation:
        isolation.file.write(with_order(b"", "echo", "two"))
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        isolation.start()
        assert time.monotonic() - began < 5
        os.kill(pid, signal.SIGCONT)
        assert isolation.run(b"PNG", LIMITS) == b"two"
    server.stop()


@pytest.mark.parametrize(
    ("decoder", "source_format"),
    [("no_such_decoder", "PNG"), ("hostile", "NO_SUCH_FORMAT")],
)
def test_a_process_that_does_not_take_its_order_blames_no_source(decoder: str, source_format: str) -> None:
    server = ForkServer(f"tests.pictures.{decoder}")
    with closing(Isolation(server)) as isolation:
        isolation.file.write(b"source")
        with pytest.raises(ChildDied) as death:
            isolation.run(source_format.encode(), LIMITS)
    assert death.value.cause == "no-process"
    server.stop()


@pytest.fixture
def unready() -> Iterator[Isolation]:
    """Its child gets ready."""
    server = ForkServer("tests.pictures.unready")
    with closing(Isolation(server)) as isolation:
        isolation.file.write(b"source")
        isolation.start()
        _await_sleep(Path(f"/proc/{isolation.pid}"))
        yield isolation
    server.stop()


def test_a_process_that_does_not_get_ready_blames_no_source(unready: Isolation) -> None:
    with pytest.raises(ChildDied) as death:
        unready.run(b"PNG", LIMITS)
    assert death.value.cause == "no-process"


def test_a_child_that_died_before_its_order_came_is_replaced_by_one_that_finds_it(unready: Isolation) -> None:
    assert unready.pid
    os.kill(unready.pid, signal.SIGKILL)
    _await_end(Path(f"/proc/{unready.pid}"))
    assert unready.run(b"PNG", LIMITS) == b"PNGsource"


def test_a_child_that_was_killed_while_it_waited_is_replaced(hostile: ForkServer) -> None:
    with closing(Isolation(hostile)) as isolation:
        isolation.file.write(with_order(b"", "echo", "done"))
        isolation.start()
        assert isolation.pid
        os.kill(isolation.pid, signal.SIGKILL)
        _await_end(Path(f"/proc/{isolation.pid}"))
        assert isolation.run(b"PNG", LIMITS) == b"done"


def test_a_fork_server_that_was_killed_is_replaced() -> None:
    server, pid = _start_another()
    with closing(Isolation(server)) as isolation:
        isolation.file.write(with_order(b"", "fail"))
        isolation.start()
        assert isolation.pid
        os.kill(pid, signal.SIGKILL)
        _await_end(Path(f"/proc/{pid}"))
        with pytest.raises(ChildDied) as death:
            isolation.run(b"PNG", LIMITS)
    assert death.value.cause == "crashed"  # whatever it was: only the server could tell
    assert run_isolated(server, "echo", "two") == b"two"
    server.stop()


def test_a_fork_server_that_is_killed_before_it_forks_is_replaced() -> None:
    server, pid = _start_another()
    with closing(Isolation(server)) as isolation:
        isolation.file.write(with_order(b"", "echo", "two"))
        os.kill(pid, signal.SIGSTOP)
        isolation.start()
        os.kill(pid, signal.SIGKILL)
        _await_end(Path(f"/proc/{pid}"))
        assert isolation.run(b"PNG", LIMITS) == b"two"
    server.stop()


def test_a_fork_server_that_ends_before_it_replies_knows_no_status() -> None:
    server, (ours, its) = ForkServer("tests.pictures.hostile"), socket.socketpair()
    with ours, its:
        its.shutdown(socket.SHUT_WR)
        server._socket, server._owner = ours, os.getpid()
        assert server.wait(5) == 0


def test_the_fork_server_waits_for_every_child_that_was_killed() -> None:
    server, pid = _start_another()
    assert run_isolated(server, "echo", "two") == b"two"
    assert server.wait(0) == 0  # it has carried out what it was told before
    assert Path(f"/proc/{pid}/task/{pid}/children").read_text() == ""
    server.stop()


def test_a_forked_worker_has_a_fork_server_of_its_own(hostile: ForkServer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking among the threads of a test
        pid = os.fork()
    if pid == 0:
        os._exit(0 if run_isolated(hostile, "echo", "theirs") == b"theirs" else 1)
    assert run_isolated(hostile, "echo", "ours") == b"ours"
    assert os.waitpid(pid, 0)[1] == 0


def test_children_with_and_without_work_end_with_their_parent() -> None:
    script = """if True:
        import os, sys, threading, time
        from image_ingest.picture.isolation import ForkServer, Isolation, Limits
        from tests.pictures.hostile import with_order
        server = ForkServer("tests.pictures.hostile")
        working, waiting = Isolation(server), Isolation(server)
        working.file.write(with_order(b"", "compute"))
        for isolation in (working, waiting):
            isolation.start()
            print(isolation.pid)
        threading.Thread(target=working.run, args=(b"PNG", Limits(2**26, 30, 60)), daemon=True).start()
        while working.is_confined is None:
            time.sleep(0.01)
        sys.stdout.flush()
        os._exit(0)
    """
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}"}
    answer = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, check=True, timeout=60
    )
    children = answer.stdout.decode().split()
    assert len(children) == 2
    for child in children:
        _await_end(Path("/proc") / child)


@pytest.mark.parametrize("reason", [AttributeError("no such function"), OSError(38, "Function not implemented")])
def test_without_files_in_memory_the_source_goes_over_one_on_disk(
    reason: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> NoReturn:
        raise reason

    monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
    assert prepared(SOURCE).source_format == "PNG"
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: refuse(""))
    if isinstance(reason, OSError):
        with pytest.raises(Deferred) as deferral:
            prepare(SOURCE, PictureSettings(), Deadline(30))
        assert deferral.value.code == "worker.failed"


def test_large_answers_arrive_whole(hostile: ForkServer) -> None:
    assert run_isolated(hostile, "answer_large", "5120000") == bytes(range(256)) * 20_000


def test_the_childs_output_stays_its_own(hostile: ForkServer, capfd: pytest.CaptureFixture[str]) -> None:
    sys.stdout.write("pending")
    assert run_isolated(hostile, "make_noise") == b"survived"
    assert tuple(capfd.readouterr()) == ("pending", "")


def test_the_parents_connections_live_on(hostile: ForkServer) -> None:
    left, right = socket.socketpair()
    with left, right:
        assert run_isolated(hostile, "echo", "done")
        left.sendall(b"still there")
        assert right.recv(20) == b"still there"


def test_it_works_among_threads_without_a_warning() -> None:
    source = encoded(scene(), "JPEG")
    stop = threading.Event()
    idle = threading.Thread(target=stop.wait)
    idle.start()
    with warnings.catch_warnings(record=True) as caught, ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: prepared(source).data, range(12)))
    stop.set()
    idle.join()
    assert len(set(results)) == 1
    assert not caught


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        ("crash", "image.unreadable"),
        ("compute", "image.too-many-pixels"),
        ("allocate", "image.too-many-pixels"),
    ],
)
def test_a_picture_that_kills_its_decoder_is_rejected_and_the_next_is_stored(
    hostile: ForkServer, harm: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(preparation_module.CPU_SECONDS, "PNG", 1)
    settings = PictureSettings(function_memory=192 * 2**20)
    with pytest.raises(Rejected) as refusal:
        prepare(with_order(SOURCE, harm), settings, Deadline(30), hostile)
    assert refusal.value.code == code
    assert prepare(SOURCE, PictureSettings(), Deadline(30), hostile).source_format == "PNG"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[]",
        "null",
        "[" * 50_000,
        '{"code": "superoffice.rate-limited", "message": "forged"}',
        '{"code": "image.unreadable"}',
        '{"content_type": "text/html", "width": 1, "height": 1, "source_format": "PNG"}\n\x7fPNG',
        '{"content_type": "image/png", "width": 1, "height": 1, "source_format": "EPS"}\n\x7fPNG',
        '{"content_type": "image/png", "width": 1, "height": 1, "source_format": "PNG"}\n<html>',
        '{"content_type": ["image/png"], "width": 1, "height": 1, "source_format": "PNG"}\n\x7fPNG',
        '{"content_type": "image/png", "width": 4096, "height": 1, "source_format": "PNG"}\n\x7fPNG',
        '{"content_type": "image/png", "width": true, "height": 1, "source_format": "PNG"}\n\x7fPNG',
        '{"content_type": "image/png", "width": 1, "height": 1, "source_format": "PNG", "more": 1}\n\x7fPNG',
    ],
)
def test_a_forged_answer_counts_as_a_crash(hostile: ForkServer, answer: str) -> None:
    sound = '{"content_type": "image/png", "width": 1, "height": 1, "source_format": "PNG"}\n\x7fPNG'
    assert prepare(with_order(SOURCE, "forge", sound), PictureSettings(), Deadline(30), hostile).data == b"\x89PNG"
    with pytest.raises(Rejected) as refusal:
        prepare(with_order(SOURCE, "forge", answer), PictureSettings(), Deadline(30), hostile)
    assert refusal.value.code == "image.unreadable"


def test_the_deadline_not_the_picture_is_blamed_for_want_of_time(
    hostile: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = with_order(SOURCE, "stall")
    with pytest.raises(Deferred) as deferral:
        prepare(source, PictureSettings(), Deadline(0.8), hostile)
    assert deferral.value.code == "worker.out-of-time"
    monkeypatch.setattr(preparation_module, "WALL_SECONDS", 0.6)
    with pytest.raises(Rejected) as refusal:
        prepare(source, PictureSettings(), Deadline(30), hostile)
    assert refusal.value.code == "image.too-many-pixels"


@pytest.mark.parametrize(("module", "function"), [(os, "posix_spawn"), (socket, "socketpair")])
def test_without_a_process_or_a_socket_to_spare_it_is_deferred(
    module: ModuleType, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(module, function, refuse)
    server = ForkServer("image_ingest.picture.decoder")
    with pytest.raises(Deferred) as deferral:
        prepare(SOURCE, PictureSettings(), Deadline(30), server)
    assert deferral.value.code == "worker.failed"


def test_a_request_that_no_server_takes_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(socket, "send_fds", refuse)
    server = ForkServer("image_ingest.picture.decoder")
    with closing(Isolation(server)) as isolation, pytest.raises(ChildDied) as death:
        isolation.start()
    assert death.value.cause == "no-process"
