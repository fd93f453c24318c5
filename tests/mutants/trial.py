"""One mutant against its tests, in a copy of the project, by a process forked from one that has everything loaded."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from tests import ROOT
from tests.mutants.mutations import Mutant

End = Literal["killed", "survived", "timed out"]

_COPIED = ("functions", "image_ingest_cli", "sandbox", "tests", "layers", "events", "docs")
_FILES = ("template.yaml", "pyproject.toml", "README.md", "Makefile", "samconfig.toml", "LICENSE", ".gitignore")
_LONGEST_SECONDS = 300


class Copy:
    """A copy of the project in which one mutant at a time lives."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        for name in _COPIED:
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
                shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for name in _FILES:
            if (ROOT / name).exists():
                shutil.copy(ROOT / name, folder / name)
        for name in (".venv", ".venvs"):
            if (ROOT / name).exists():
                (folder / name).symlink_to((ROOT / name).resolve())

    def run(self, mutant: Mutant | None, tests: Sequence[str], seconds: float = _LONGEST_SECONDS) -> End:
        """How the tests end with the mutant in place; None leaves the code as it is."""
        if mutant is None:
            return self._run_tests(tests, seconds)
        file = self._root / mutant.path
        source = file.read_bytes()
        file.write_bytes(mutant.apply(source))
        try:
            return self._run_tests(tests, seconds)
        finally:
            file.write_bytes(source)

    def _run_tests(self, tests: Sequence[str], seconds: float) -> End:
        child = os.fork()
        if child == 0:
            os._exit(_run_pytest(self._root, tests))
        status = _wait(child, seconds)
        if status is None:
            return "timed out"
        return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"


def load_packages() -> None:
    """Imports what most tests import, so that forked processes need not."""
    import boto3  # noqa: F401
    import requests  # noqa: F401


def _run_pytest(root: Path, tests: Sequence[str]) -> int:
    os.setsid()
    os.chdir(root)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    for name in [name for name in sys.modules if name.partition(".")[0] in {"tests", "image_ingest"}]:
        del sys.modules[name]
    sys.path[:] = [str(root / "functions"), str(root), *(p for p in sys.path if str(ROOT) not in p or ".venv" in p)]
    os.environ |= {"PYTHONPATH": f"{root / 'functions'}:{root}", "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--no-header", f"--rootdir={root}", *tests]))


def _wait(child: int, seconds: float) -> int | None:
    """The child's status, or None where it was ended after that many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
