"""The set-up on a copy of its own: what it prints, what it repeats, and what it does when a package client fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

HAS_PACKAGE = (sys.platform, os.uname().machine) == ("linux", "x86_64")
_REASON = "Chromium could not be installed (npm error no network)."
_NO_PACKAGE = "No package carries a Chromium for this kind of machine."
MISSING_CHROMIUM = (
    f"{_REASON if HAS_PACKAGE else _NO_PACKAGE} "
    "Install it (apt-get install chromium), or name one: CHROMIUM=/path/to/chromium."
)


class Machine:
    """A clone of the set-up, on a machine whose PATH has only what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        self._programs = folder / "bin"
        self._programs.mkdir(parents=True)
        for package in ("sandbox/tools", "layers"):
            shutil.copytree(ROOT / package, self.clone / package, ignore=shutil.ignore_patterns("__pycache__"))
        self.require("")

    def require(self, text: str) -> None:
        """The sandbox's requirements."""
        (self.clone / "sandbox/requirements.txt").write_text(f"# nothing else\n{text}")

    def add_program(self, name: str, script: str) -> Path:
        return self._write(self._programs / name, script)

    def add_environment(self, script: str) -> None:
        """A virtual environment whose pip does this."""
        self._write(self.clone / ".venv/bin/pip", "")
        self._write(self.clone / ".venv/bin/python", script)

    def _write(self, path: Path, script: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name not in {"CI", "CHROMIUM", "PYENV_ROOT"}}
        own = {"PATH": str(self._programs), "PYENV_ROOT": str(self._programs), "PYTHONPATH": ""}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.clone,
            env={**kept, **own, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def install(self, *names: str, **environment: str) -> tuple[int, list[str]]:
        """The exit status and the lines on standard error."""
        done = self.run("-m", "sandbox.tools.install", *names, **environment)
        assert done.stdout == ""
        return done.returncode, done.stderr.splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_one_line_says_what_is_installed_and_nothing_what_is_there(machine: Machine) -> None:
    machine.add_environment("echo 'WARNING: no location' >&2; echo installed; echo \"$@\" >> pip.log")
    line = "Installing once, which takes a minute or more: the sandbox's packages."
    assert machine.install("sandbox") == (0, [line])
    assert machine.install("sandbox") == (0, [])
    machine.require("rich")
    assert machine.install("sandbox") == (0, [line])
    asked = (machine.clone / "pip.log").read_text().splitlines()
    assert asked == ["-m pip --disable-pip-version-check install -r sandbox/requirements.txt"] * 2


def test_a_package_client_that_fails_is_shown_without_its_warnings(machine: Machine) -> None:
    machine.add_environment("echo 'WARNING: no location' >&2; echo collecting; echo 'ERROR: no package' >&2; exit 1")
    status, lines = machine.install("sandbox")
    assert (status, lines[2:]) == (1, ["collecting", "ERROR: no package"])
    assert lines[1].startswith("This command failed: ")
    assert machine.install("sandbox")[0] == 1, "what failed is tried again"


def test_a_python_without_ensurepip_is_one_line_of_advice(machine: Machine) -> None:
    machine.add_program("python3", "echo 'No module named ensurepip' >&2; exit 1")
    code = "from sandbox.tools.commands import *; make_environment(ROOT / '.venv', 'python3')"
    done = machine.run("-c", code)
    assert "No module named ensurepip\npython3 cannot create a virtual environment. On Debian and Ubuntu" in done.stderr


def test_names_that_do_not_exist_are_wrong_usage(machine: Machine) -> None:
    status, (line,) = machine.install("snadbox")
    assert (status, line.partition("NAME")[0]) == (2, "Usage: python3 -m sandbox.tools.install [--required] ")


def test_a_tool_that_cannot_be_had_is_one_line_and_fails_only_where_it_is_required(machine: Machine) -> None:
    machine.add_program("node", "exit 1")
    machine.add_program("npm", "echo npm error no network >&2; exit 1")
    status, lines = machine.install("chromium")
    assert (status, lines[1:]) == (0, [f"{MISSING_CHROMIUM} The tests that need it are skipped."])
    assert machine.install("chromium", CI="true") == (1, [lines[0], MISSING_CHROMIUM])
    assert machine.install("--required", "chromium") == (1, [lines[0], MISSING_CHROMIUM])


def test_a_package_with_other_content_is_refused(machine: Machine) -> None:
    machine.add_program("node", "exit 1")
    machine.add_program("npm", "echo tampered > package.tgz; echo package.tgz")
    _, lines = machine.install("chromium")
    reason = "is not the package that this project was tested with." if HAS_PACKAGE else MISSING_CHROMIUM
    assert reason in lines[1]
    assert not (machine.clone / ".venvs/chromium").exists()


def test_a_chromium_on_the_path_is_used(machine: Machine) -> None:
    machine.add_program("chromium", "exit 0")
    assert machine.install("chromium") == (0, [])


def find_interpreter(machine: Machine) -> tuple[int, str, str]:
    done = machine.run("layers/build.py", "python")
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def test_uv_installs_an_interpreter_of_lambda_s_version_if_there_is_none(machine: Machine) -> None:
    there = machine.clone / "python-is-installed"
    interpreter = machine.add_program("kept-by-uv", "echo 3.13")
    script = f'case "$*" in "python find 3.13") [ -e {there} ] && echo {interpreter};; *) : > {there};; esac'
    machine.add_program("uv", script)
    assert find_interpreter(machine) == (0, str(interpreter), "Installing Python 3.13 with uv, once.")
    assert find_interpreter(machine) == (0, str(interpreter), "")


def test_an_interpreter_on_the_path_comes_first_but_not_one_that_does_not_start(machine: Machine) -> None:
    machine.add_program("uv", "echo uv was asked >&2; exit 1")
    interpreter = machine.add_program("python3.13", "echo 3.13")
    assert find_interpreter(machine) == (0, str(interpreter), "")
    machine.add_program("python3.13", "exit 127")
    assert find_interpreter(machine)[0] == 1


@pytest.mark.parametrize(
    ("uv", "says"),
    [
        (None, "There is no Python 3.13 with pip, which Lambda runs and which compiles its bytecode. Install it"),
        ("exit 1", "compiles its bytecode, and uv could not install one. Install it"),
    ],
    ids=["without uv", "uv fails"],
)
def test_without_an_interpreter_one_line_says_how_to_get_it(machine: Machine, uv: str | None, says: str) -> None:
    if uv:
        machine.add_program("uv", uv)
    status, printed, error = find_interpreter(machine)
    assert (status, printed) == (1, "")
    assert says in error.splitlines()[-1]
    assert "`uv python install 3.13 --default`" in error.splitlines()[-1]
