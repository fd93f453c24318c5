"""How a test run tells of a missing tool and of a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests import ROOT

LACKS_A_TOOL = """
import pytest
from sandbox.tools.commands import Unavailable

@pytest.fixture(scope="module")
def browser():
    raise Unavailable("Chromium is missing. Install it with: apt-get install chromium")

def test_one(browser): pass
def test_two(browser): pass
def test_three(): raise Unavailable("bubblewrap is missing. Install it with: apt-get install bubblewrap")
def test_four(): pass
"""
LEAVES_OPEN = """
import gc, socket

def test_one():
    opened = socket.create_server(("127.0.0.1", 0))
    raise ValueError("the cause")

def test_two():
    raise ValueError("another")

def test_three():
    gc.collect()
"""


def run(folder: Path, tests: str, ci: str = "") -> list[str]:
    """The lines that pytest prints."""
    (folder / "test_sample.py").write_text(tests)
    options = ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={folder}", "-p", "tests.conftest", "-n", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-p", "no:cacheprovider", str(folder / "test_sample.py")],
        cwd=ROOT,
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_missing_tool_skips_with_the_command_and_the_run_ends_with_their_number(tmp_path: Path) -> None:
    lines = run(tmp_path, LACKS_A_TOOL)
    skipped = [line for line in lines if line.startswith("SKIPPED")]
    assert [line.partition(": ")[2] for line in skipped] == [
        "Chromium is missing. Install it with: apt-get install chromium",
        "bubblewrap is missing. Install it with: apt-get install bubblewrap",
    ]
    assert skipped[0].startswith("SKIPPED [2]")
    assert lines[-2] == "3 tests were skipped; each line above gives the reason and the command that helps."
    assert "1 passed, 3 skipped" in lines[-1]


def test_in_ci_a_missing_tool_fails_with_one_line(tmp_path: Path) -> None:
    lines = run(tmp_path, LACKS_A_TOOL, ci="true")
    start = next(number for number, line in enumerate(lines) if "test_one" in line)
    assert lines[start + 1] == "Chromium is missing. Install it with: apt-get install chromium"
    assert "test_two" in lines[start + 2]
    assert not [line for line in lines if "SKIPPED" in line]
    assert "1 failed, 1 passed, 2 errors" in lines[-1]


def test_what_a_failed_test_left_open_is_no_second_failure(tmp_path: Path) -> None:
    lines = run(tmp_path, LEAVES_OPEN)
    assert not [line for line in lines if "ResourceWarning" in line]
    assert "2 failed, 1 passed" in lines[-1]
