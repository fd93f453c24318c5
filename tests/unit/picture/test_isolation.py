"""One hostile picture harms nothing but itself: not the process, not its streams and files, not the next picture."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, Rejected
from image_ingest.picture import pipeline, prepare, reap_children
from image_ingest.picture import preparation as preparation_module
from image_ingest.picture.isolation import ChildDied, Isolation, Limits
from image_ingest.settings import PictureSettings
from tests import ROOT
from tests.pictures.checks import prepared
from tests.pictures.corpus import scene
from tests.pictures.makers import encoded

LIMITS = Limits(memory=64 * 2**20, cpu_seconds=1, wall_seconds=20)
_PARENT_FD = 4


def run_isolated(work: Callable[[], bytes], limits: Limits) -> bytes:
    """What `work` returns in a child of its own."""
    with closing(Isolation(lambda: None, lambda *_: work())) as isolation:
        isolation.file.write(b"source")
        return isolation.run(b"order", limits)


def _crash() -> bytes:
    os.kill(os.getpid(), signal.SIGSEGV)
    return b""


def _compute() -> bytes:
    while True:
        pass


def _allocate() -> bytes:
    return bytes(bytearray(b"x") * 200_000_000)


def _raise() -> bytes:
    raise ZeroDivisionError


def _killed() -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def _answer_half() -> bytes:
    os.write(_PARENT_FD, b"\0\0\0\0\0\0\0\x09half")
    os._exit(0)


def _answer_without_end() -> bytes:
    os.write(_PARENT_FD, b"\xff" * 8)
    while True:
        os.write(_PARENT_FD, bytes(65_536))


def _hang_up_and_stay() -> bytes:
    os.close(_PARENT_FD)
    return _sleep()


def _sleep() -> bytes:
    time.sleep(60)
    return b""


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _children() -> set[str]:
    """Process ids of this process's children, ended ones that nobody waited for among them."""
    lists = Path("/proc/self/task").glob("*/children")
    return {child for each in lists for child in each.read_text(encoding="ascii").split()}


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    reap_children()
    before = _open_files(), _children()
    yield
    reap_children()
    assert (_open_files(), _children()) == before


@pytest.mark.parametrize(
    ("work", "cause"),
    [
        (_crash, "crashed"),
        (_raise, "crashed"),
        (_answer_half, "crashed"),
        (_answer_without_end, "memory"),
        (_hang_up_and_stay, "memory"),
        (_killed, "memory"),
        (_allocate, "memory"),
        (_compute, "cpu"),
    ],
)
def test_the_cause_of_a_death_is_told(work: Callable[[], bytes], cause: str) -> None:
    with pytest.raises(ChildDied) as death:
        run_isolated(work, LIMITS)
    assert death.value.cause == cause


def test_a_stall_ends_on_the_wall_clock() -> None:
    with pytest.raises(ChildDied) as death:
        run_isolated(_sleep, Limits(memory=2**26, cpu_seconds=2, wall_seconds=0.3))
    assert death.value.cause == "stalled"


def test_a_child_started_ahead_gets_its_work_later() -> None:
    with closing(Isolation(lambda: None, lambda order, source: order + source[:])) as isolation:
        isolation.start()
        isolation.file.write(b"source")
        assert isolation.run(b"order and ", LIMITS) == b"order and source"


@pytest.mark.parametrize("failure", [_crash, _raise])
def test_a_child_that_does_not_get_ready_blames_no_source(failure: Callable[[], bytes]) -> None:
    def get_ready() -> None:
        failure()

    with closing(Isolation(get_ready, lambda *_: b"done")) as isolation:
        isolation.file.write(b"source")
        with pytest.raises(ChildDied) as death:
            isolation.run(b"", LIMITS)
    assert death.value.cause == "no-process"


def test_a_child_that_was_killed_while_it_waited_is_replaced() -> None:
    before = _children()
    with closing(Isolation(lambda: None, lambda *_: b"done")) as isolation:
        isolation.file.write(b"source")
        isolation.start()
        (child,) = _children() - before
        os.kill(int(child), signal.SIGKILL)
        os.waitid(os.P_PID, int(child), os.WEXITED | os.WNOWAIT)
        assert isolation.run(b"", LIMITS) == b"done"


def test_a_child_without_work_ends_with_its_parent(tmp_path: Path) -> None:
    script = """if True:
        import os, sys
        from image_ingest.picture.isolation import Isolation
        isolation = Isolation(lambda: None, lambda *_: b"")
        isolation.start()
        print(isolation._child.pid)
        sys.stdout.flush()
        os._exit(0)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "functions")}
    answer = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    child, until = Path("/proc") / answer.stdout.decode().strip(), time.monotonic() + 10
    while child.exists() and "zombie" not in (child / "status").read_text() and time.monotonic() < until:
        time.sleep(0.01)
    assert not child.exists() or "zombie" in (child / "status").read_text()


@pytest.mark.parametrize("reason", [AttributeError("no such function"), OSError(38, "Function not implemented")])
def test_without_files_in_memory_the_source_goes_over_one_on_disk(
    reason: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> NoReturn:
        raise reason

    monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
    source = encoded(scene(), "PNG")
    assert prepared(source).source_format == "PNG"
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: refuse(""))
    if isinstance(reason, OSError):
        with pytest.raises(Deferred) as deferral:
            prepare(source, PictureSettings(), Deadline(30))
        assert deferral.value.code == "worker.failed"


def test_large_answers_arrive_whole() -> None:
    answer = os.urandom(5_000_000)
    assert run_isolated(lambda: answer, LIMITS) == answer


def test_the_childs_output_and_exit_handlers_stay_its_own(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    handler = mark.touch
    atexit.register(handler)
    sys.stdout.write("pending")

    def noisy() -> bytes:
        os.write(1, b"out")
        os.write(2, b"err")
        return b"done"

    assert run_isolated(noisy, LIMITS) == b"done"
    atexit.unregister(handler)
    assert tuple(capfd.readouterr()) == ("pending", "")
    assert not mark.exists()


def test_the_parents_connections_live_on() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert run_isolated(lambda: str(_open_files()).encode(), LIMITS)
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
    ("work", "code"),
    [
        (_crash, "image.unreadable"),
        (_killed, "image.too-many-pixels"),
        (_compute, "image.too-many-pixels"),
        (_allocate, "image.too-many-pixels"),
    ],
)
def test_a_picture_that_kills_its_decoder_is_rejected_and_the_next_is_stored(
    work: Callable[[], bytes], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation_module, "CPU_SECONDS", 1)
    settings = PictureSettings(function_memory=192 * 2**20)
    source = encoded(scene(), "PNG")
    prepared(source)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "make_picture", lambda *_: work())
        with pytest.raises(Rejected) as refusal:
            prepare(source, settings, Deadline(30))
    assert refusal.value.code == code
    assert prepared(source).source_format == "PNG"


def test_the_deadline_not_the_picture_is_blamed_for_want_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    source = encoded(scene(), "PNG")
    prepared(source)
    monkeypatch.setattr(pipeline, "make_picture", lambda *_: _sleep())
    with pytest.raises(Deferred) as deferral:
        prepare(source, PictureSettings(), Deadline(0.8))
    assert deferral.value.code == "worker.out-of-time"
    monkeypatch.setattr(preparation_module, "WALL_SECONDS", 0.6)
    with pytest.raises(Rejected) as refusal:
        prepare(source, PictureSettings(), Deadline(30))
    assert refusal.value.code == "image.too-many-pixels"


def test_an_error_of_the_function_itself_is_no_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    source = encoded(scene(), "PNG")
    prepared(source)
    monkeypatch.setattr(pipeline, "make_picture", lambda *_: _raise())
    with pytest.raises(Deferred, match="ZeroDivisionError") as deferral:
        prepare(source, PictureSettings(), Deadline(30))
    assert deferral.value.code == "worker.failed"


def test_without_a_process_to_spare_it_is_deferred(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(Deferred) as deferral:
        prepare(encoded(scene(), "PNG"), PictureSettings(), Deadline(30))
    assert deferral.value.code == "worker.failed"
