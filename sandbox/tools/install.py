"""Installs what a make target needs, into .venv and .venvs: `python3 -m sandbox.tools.install [--required] NAME…`.

One line on standard error says what is being installed. A tool that only some tests need may stay missing: a line
says so, and those tests are skipped. With --required, or with CI=true, it fails instead.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

OLDEST_PYTHON = (3, 11)
if sys.version_info[:2] < OLDEST_PYTHON:
    sys.exit("Python 3.11 or later is needed. Name one: make PYTHON=/path/to/python3 …")

from layers.build import BuildFailed, runtime_python  # noqa: E402  # an older Python cannot import it
from sandbox.tools.chromium import install_chromium, is_chromium_present  # noqa: E402
from sandbox.tools.commands import (  # noqa: E402
    ENVIRONMENTS,
    ROOT,
    InstallationFailed,
    Unavailable,
    install_packages,
    make_environment,
)
from sandbox.tools.webapi import install_webapi, is_webapi_present  # noqa: E402

_UV = "uv==0.13.9"
_REQUIRED = "--required"


@dataclass(frozen=True)
class Packages:
    """Packages of one virtual environment: names with versions, or a requirements file; with `parts` of it."""

    about: str
    folder: Path
    requirements: tuple[str, ...]
    find_python: Callable[[], str] = lambda: sys.executable
    parts: tuple[str, ...] = ()

    def is_present(self, name: str) -> bool:
        """Whether exactly these are installed."""
        stamp = self._stamp(name)
        return stamp.exists() and stamp.read_text() == self._fingerprint()

    def install(self, name: str) -> None:
        """Raises InstallationFailed, or Unavailable when there is no interpreter for them."""
        interpreter = make_environment(self.folder, self.find_python())
        install_packages(interpreter, *(word for text in self.requirements for word in text.split()))
        self._stamp(name).write_text(self._fingerprint())
        for part in self.parts:
            PACKAGES[part]._stamp(part).write_text(PACKAGES[part]._fingerprint())  # noqa: SLF001  # of its own class

    def _stamp(self, name: str) -> Path:
        return self.folder / f"installed-{name}"

    def _fingerprint(self) -> str:
        return hashlib.sha256("\n".join(_lines_of(self.requirements)).encode()).hexdigest()


@dataclass(frozen=True)
class Tool:
    """Something that pip alone cannot install; each of both functions raises as those of Packages do."""

    about: str
    folder: Path
    check: Callable[[], bool]
    set_up: Callable[[], None]

    def is_present(self, _name: str) -> bool:
        """Whether nothing has to be installed."""
        return self.check()

    def install(self, _name: str) -> None:
        """Raises Unavailable."""
        self.set_up()


def _lines_of(requirements: Iterable[str], folder: Path = ROOT) -> Iterator[str]:
    """The requirements, with those of the files that they name."""
    for requirement in requirements:
        yield requirement
        if requirement.startswith("-r "):
            file = folder / requirement.removeprefix("-r ")
            yield from _lines_of(file.read_text().splitlines(), file.parent)


def _find_lambda_python() -> str:
    """An interpreter of Lambda's version, by uv if there is no other. Raises Unavailable."""
    try:
        return runtime_python()
    except BuildFailed:
        install_packages(make_environment(ENVIRONMENTS / "uv"), _UV)
    try:
        return runtime_python()
    except BuildFailed as failure:
        raise Unavailable(str(failure)) from failure


_TESTED = ROOT / ".venv"
PACKAGES = {
    "sandbox": Packages("the sandbox's packages", _TESTED, ("-r sandbox/requirements.txt",)),
    "tests": Packages("the tests' packages", _TESTED, ("-r tests/requirements.txt",), parts=("sandbox",)),
    "benchmarks": Packages("the benchmarks' packages", _TESTED, ("-r tests/benchmarks/requirements.txt",)),
    "checkov": Packages("checkov", ENVIRONMENTS / "checkov", ("checkov==3.3.30",)),
    "sam": Packages("the SAM CLI", ENVIRONMENTS / "sam", ("aws-sam-cli==1.170.0",)),
    "lambda": Packages(
        "Lambda's runtime client", ENVIRONMENTS / "lambda", ("awslambdaric==4.2.2",), _find_lambda_python
    ),
}
TOOLS: dict[str, Packages | Tool] = {
    **PACKAGES,
    "chromium": Tool("Chromium", ENVIRONMENTS / "chromium", is_chromium_present, install_chromium),
    "webapi": Tool("SuperOffice's JavaScript client", ENVIRONMENTS / "webapi", is_webapi_present, install_webapi),
}


def install_all(names: Iterable[str]) -> list[str]:
    """Installs what is missing, two at a time; why something stays missing. Raises InstallationFailed."""
    missing = [name for name in names if not TOOLS[name].is_present(name)]
    if not missing:
        return []
    about = ", ".join(TOOLS[name].about for name in missing)
    print(f"Installing once, which takes a minute or more: {about}.", file=sys.stderr, flush=True)
    folders = [list(group) for _, group in groupby(missing, key=lambda name: TOOLS[name].folder)]
    with ThreadPoolExecutor(2) as pool:
        return [reason for reasons in pool.map(_install_in_turn, folders) for reason in reasons]


def _install_in_turn(names: Iterable[str]) -> list[str]:
    reasons = []
    for name in names:
        try:
            TOOLS[name].install(name)
        except Unavailable as reason:
            reasons.append(str(reason))
    return reasons


def main(arguments: list[str]) -> int:
    """The exit status: 0 done, 1 something is missing, 2 wrong usage."""
    names = [argument for argument in arguments if argument != _REQUIRED]
    if not names or not set(names) <= TOOLS.keys():
        print(f"Usage: python3 -m sandbox.tools.install [{_REQUIRED}] NAME…, of: {', '.join(TOOLS)}", file=sys.stderr)
        return 2
    try:
        reasons = install_all(names)
    except InstallationFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    required = _REQUIRED in arguments or os.environ.get("CI") == "true"
    for reason in reasons:
        print(reason if required else f"{reason} The tests that need it are skipped.", file=sys.stderr)
    return 1 if required and reasons else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
