"""The program on a terminal of its own, where it can ask questions and hide answers."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests import ROOT

_SECONDS = 60.0  # for each expected output
_PROGRAM = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # hidden answers are read from the controlling terminal
from image_ingest_cli.main import main
main()
"""


class Terminal:
    """What the program printed so far, and the keyboard."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self._descriptor = descriptor
        self._process = process
        self._seen = 0
        self.output = ""

    def answer(self, question: str, text: str) -> None:
        """Waits until the question is printed and its answer is being read, and types the text."""
        self.wait_for(question)
        self.wait_for(": ")  # printed last, once a hidden answer is no longer echoed
        os.write(self._descriptor, f"{text}\n".encode())

    def wait_for(self, text: str) -> None:
        """Waits until the text is printed after what was waited for before."""
        end = time.monotonic() + _SECONDS
        while text not in self.output[self._seen :]:
            assert time.monotonic() < end, f"{text!r} is not in {self.output[self._seen :]!r}"
            if not self._read():
                break
        assert text in self.output[self._seen :], self.output
        self._seen = self.output.index(text, self._seen) + len(text)

    def finish(self) -> int:
        """The exit status, once the program has ended."""
        while self._read():
            pass
        return self._process.wait(_SECONDS)

    def _read(self) -> bool:
        """Reads what there is; False once the program has closed the terminal."""
        if not select.select([self._descriptor], [], [], _SECONDS)[0]:
            return False
        try:
            data = os.read(self._descriptor, 65_536)
        except OSError:  # Linux reports a closed terminal so
            return False
        self.output += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@contextmanager
def open_terminal(*arguments: object, environment: Mapping[str, str]) -> Iterator[Terminal]:
    """`image-ingest ARGUMENTS` on a terminal."""
    master, slave = pty.openpty()
    surroundings = {**os.environ, **environment, "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}", "TERM": "dumb"}
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *map(str, arguments)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=surroundings,
        cwd=ROOT,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)
