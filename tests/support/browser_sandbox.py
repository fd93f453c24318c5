"""`python -m sandbox`, started as a visitor starts it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests import ROOT


@contextmanager
def running_sandbox(folder: Path) -> Iterator[Mapping[str, str]]:
    """What it exports, once its page is up; then it is stopped as by Ctrl-C, and must have left nothing behind."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "AUTH"},
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'functions'}",
        "TMPDIR": str(folder),
    }
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "sandbox"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield _exports(process)
        finally:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
            process.kill()
    assert process.returncode == 0
    assert list(folder.iterdir()) == []


def _exports(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    exports = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if line.startswith("export "))
    assert "SANDBOX_URL" in exports, "".join(lines)
    return exports
