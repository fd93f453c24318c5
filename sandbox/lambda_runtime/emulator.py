"""One execution environment: the built packages under AWS's own Runtime Interface Emulator, without Docker."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox.lambda_runtime.build import LAMBDA_PYTHON, SAM, Built, need, this_machine
from sandbox.lambda_runtime.isolation import FileSystem, lambda_file_system
from sandbox.lambda_runtime.processes import MemoryLimit, descendants, memory_limit
from sandbox.tools.commands import ROOT, Unavailable

_EMULATORS = ROOT / ".venvs/sam/lib"
_START_SECONDS = 30.0


class Emulator:
    """Runs the built function as Lambda does: init, invocations one at a time, and a new start after each death.

    `environment` is the function's; `visible` are files of this machine that it needs. Raises Unavailable.
    """

    def __init__(
        self, built: Built, environment: Mapping[str, str], *, visible: Sequence[Path] = (), seconds: int = 30
    ) -> None:
        need(LAMBDA_PYTHON)
        rie = _emulator()
        python = [LAMBDA_PYTHON.parents[1], *_home(LAMBDA_PYTHON)]
        file_system = lambda_file_system(built, [rie.parent, *python, *visible])
        self._folder = tempfile.TemporaryDirectory(prefix="image-ingest-emulator-")
        self._port, api = _free_ports()
        self._log = Path(self._folder.name, "log")
        self._read = 0
        self.limit: MemoryLimit = memory_limit()
        addresses = [f"--runtime-interface-emulator-address=127.0.0.1:{self._port}"]
        addresses += [f"--runtime-api-address=127.0.0.1:{api}"]
        runtime = [str(LAMBDA_PYTHON), "-m", "awslambdaric", "image_ingest.app.lambda_handler"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self.limit.launcher, *file_system.command, str(rie), *addresses, *runtime],
                env=_environment(file_system, seconds) | dict(environment),
                cwd=built.function,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
            except ConnectionRefusedError:
                time.sleep(0.02)
            else:
                return self
        self.close()
        raise RuntimeError("The emulator of Lambda did not start.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kills it with all that it runs, and removes its files."""
        for pid in [*descendants(self._process.pid), self._process.pid]:
            _kill(pid)
        self._process.wait()
        self.limit.close()
        self._folder.cleanup()

    def invoke(self, event: object) -> tuple[int, str]:
        """The HTTP status and the body of the answer."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    @contextmanager
    def invoking(self, event: object) -> Iterator[Callable[[], tuple[int, str]]]:
        """Invokes while the block runs; gives what waits for the HTTP status and body."""
        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(self.invoke, event).result

    def answer(self, event: object) -> Any:
        """The function's answer, which must be no error."""
        status, body = self.invoke(event)
        answer = json.loads(body)
        assert status == 200, body
        assert not (isinstance(answer, dict) and "errorType" in answer), body
        return answer

    def news(self) -> list[str]:
        """The log's lines since the last call."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        self._read += len(text)
        return text.decode(errors="replace").splitlines()

    def allow_memory(self, beyond: int) -> None:
        """From now on all processes may take this many bytes more than now."""
        self.limit.allow(self._process.pid, beyond)

    def worker(self) -> int:
        """The process that runs the function now; it must have been invoked."""
        return next(pid for pid in descendants(self._process.pid) if _command(pid)[:1] == [bytes(LAMBDA_PYTHON)])

    def kill_worker(self) -> None:
        """The function's process dies at once."""
        _kill(self.worker())

    def freeze_worker(self) -> None:
        """The function's process stands still."""
        os.kill(self.worker(), signal.SIGSTOP)


def _environment(file_system: FileSystem, seconds: int) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(file_system.opt / "python"),
        "LAMBDA_TASK_ROOT": str(file_system.task),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",  # Lambda says so; the emulator alone does not
        "AWS_LAMBDA_FUNCTION_NAME": "image-ingest",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(seconds),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
    }


def _emulator() -> Path:
    """AWS's Runtime Interface Emulator, as SAM brings it."""
    name = f"aws-lambda-rie-{this_machine()}"
    found = next(_EMULATORS.glob(f"python*/site-packages/samcli/local/rapid/{name}"), None)
    if found is None:
        need(SAM)
        raise Unavailable(f"The SAM CLI has no {name}.")
    return found


def _home(python: Path) -> list[Path]:
    """Where the interpreter of a virtual environment has its library, unless that is in /usr."""
    command = [str(python), "-c", "import sys; print(sys.base_prefix)"]
    home = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    return [] if home.is_relative_to("/usr") else [home]


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        return first.getsockname()[1], second.getsockname()[1]


def _command(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
