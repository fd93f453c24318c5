"""A tool that this machine lacks: the test is skipped with the command that installs it, or fails if CI=true."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import NoReturn

import pytest

from tools.commands import Unavailable


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None]:
    """Covers the fixtures."""
    try:
        return (yield)
    except Unavailable as reason:
        _refuse(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Covers the test itself."""
    try:
        return (yield)
    except Unavailable as reason:
        _refuse(reason)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """One line that counts what did not run, below the reasons."""
    yield
    if skipped := len(terminalreporter.stats.get("skipped", ())):
        tests = "1 test was" if skipped == 1 else f"{skipped} tests were"
        terminalreporter.write_line(f"{tests} skipped; each line above gives the reason and the command that helps.")


def _refuse(reason: Unavailable) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(str(reason), pytrace=False)
    pytest.skip(str(reason))
