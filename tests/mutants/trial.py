"""One mutant against its tests, in a copy of the project, by a process forked from one that has everything loaded."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Literal

import pytest

from tests import ROOT
from tests.mutants.mutations import Mutant
from tests.support.aws_models import load_models, share_models

End = Literal["killed", "survived", "timed out"]

_COPIED = ("functions", "image_ingest_cli", "sandbox", "tests", "layers", "events", "docs")
_FILES = ("template.yaml", "pyproject.toml", "README.md", "Makefile", "samconfig.toml", "LICENSE", ".gitignore")
_OWN = {"tests", "image_ingest", "image_ingest_cli", "sandbox", "layers"}
_PACKAGES = (
    "PIL.Image",
    "PIL.JpegImagePlugin",
    "aws_lambda_powertools",
    "boto3.s3.transfer",
    "cryptography.x509",
    "flask",
    "hypothesis.strategies",
    "jsonschema",
    "jwt",
    "moto.dynamodb.models",
    "moto.s3.models",
    "moto.secretsmanager.models",
    "moto.sqs.models",
    "pillow_heif",
    "requests",
    "rich.console",
    "typer",
    "yaml",
)
_OPTIONS = (
    "-x",
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "--no-header",
    "-W",
    "ignore:Module already imported",
)
_LONGEST_SECONDS = 300


class Copy:
    """A copy of the project in which one mutant at a time lives."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._times = count(10**9)
        for name in _COPIED:
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
                shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for name in _FILES:
            if (ROOT / name).exists():
                shutil.copy2(ROOT / name, folder / name)
        for name in (".venv", ".venvs"):
            if (ROOT / name).exists():
                (folder / name).symlink_to((ROOT / name).resolve())
        self._files = _list_files(folder)

    def run(self, mutant: Mutant | None, tests: Sequence[str], seconds: float = _LONGEST_SECONDS) -> End:
        """How the tests end with the mutant in place; None leaves the code as it is."""
        if mutant is not None:
            self._write(mutant)
        try:
            return self._run_tests(tests, seconds)
        finally:
            self._restore()

    def _write(self, mutant: Mutant) -> None:
        file = self._root / mutant.path
        file.write_bytes(mutant.apply(file.read_bytes()))
        # Bytecode is kept from trial to trial. It is valid for a time and a size: no two mutants have the same time.
        time_of_its_own = next(self._times)
        os.utime(file, (time_of_its_own, time_of_its_own))

    def _restore(self) -> None:
        """Undoes the mutant and whatever its tests left behind."""
        for path, *_ in self._files ^ _list_files(self._root):
            original = ROOT / path.relative_to(self._root)
            if original.is_file():
                shutil.copy2(original, path)
            else:
                path.unlink(missing_ok=True)

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
    for name in _PACKAGES:
        importlib.import_module(name)
    share_models()
    load_models()


def _list_files(root: Path) -> set[tuple[Path, int, int]]:
    """Every file with its time and size, without bytecode."""
    files = set()
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for path in (Path(folder, name) for name in names):
            state = path.lstat()
            files.add((path, state.st_mtime_ns, state.st_size))
    return files


def _run_pytest(root: Path, tests: Sequence[str]) -> int:
    os.setsid()
    os.chdir(root)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    for name in [name for name in sys.modules if name.partition(".")[0] in _OWN]:
        del sys.modules[name]
    sys.path[:] = [str(root / "functions"), str(root), *(p for p in sys.path if str(ROOT) not in p or ".venv" in p)]
    os.environ["PYTHONPATH"] = f"{root / 'functions'}:{root}"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    return int(pytest.main([*_OPTIONS, f"--rootdir={root}", *tests]))


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
