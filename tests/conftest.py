"""What all tests share: one AWS, how a missing tool is reported, and that a failure is reported once.

A test whose tool this machine lacks is skipped with the command that installs it. It fails if CI=true.
"""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Generator, Iterator

import pytest

from sandbox.aws import EmbeddedAws, start_aws
from sandbox.tools.commands import Unavailable
from tests.support.aws_models import share_models

share_models()
os.environ.pop("PYTHONUNBUFFERED", None)  # the programs that tests start buffer their output, as a user's do
gc.disable()  # until the tests are collected, which leaves no garbage

_IGNORED_AFTER_FAILURE = "ignore::ResourceWarning"
_LONG = (
    "tests/e2e/built/test_deploy.py",  # begins the build, which the others of its folder would wait for
    "tests/integration/test_lifecycle.py",  # it and the others between the folders mostly wait
    "tests/e2e/cli",
    "tests/integration/test_shared_rate.py",
    "tests/e2e/page",
    "tests/integration/superoffice/test_network.py",
    "tests/e2e/test_",
    "tests/integration/test_uploads.py",
    "tests/e2e/built",
    "tests/unit/picture",
    "tests/integration/test_processes.py",
)


@pytest.hookimpl(optionalhook=True)  # a run without the plugin knows no such hook
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors, as many tests wait; more of them would only take time from each other."""
    return min((os.cpu_count() or 1) + 1, 4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, so that no process still works on one when the others have ended."""
    items.sort(key=lambda item: next((i for i, name in enumerate(_LONG) if item.nodeid.startswith(name)), len(_LONG)))


def pytest_collection_finish() -> None:
    """From here on garbage is collected, but seldom, and never searched for among the modules and tests themselves."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


@pytest.fixture(scope="session")
def aws() -> Iterator[EmbeddedAws]:
    """One embedded AWS for each process of a run."""
    with start_aws() as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None]:
    """Covers the fixtures."""
    try:
        return (yield)
    except Unavailable as reason:
        raise _refusal(reason) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Covers the test itself."""
    try:
        return (yield)
    except Unavailable as reason:
        raise _refusal(reason) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a failed test left open is no failure of the tests after it."""
    report = yield
    if report.failed:
        item.config.addinivalue_line("filterwarnings", _IGNORED_AFTER_FAILURE)
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """The same for the end of the run."""
    if _IGNORED_AFTER_FAILURE in config.getini("filterwarnings"):
        warnings.simplefilter("ignore", ResourceWarning)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """One line that counts what did not run, below the reasons."""
    yield
    if skipped := len(terminalreporter.stats.get("skipped", ())):
        tests = "1 test was" if skipped == 1 else f"{skipped} tests were"
        terminalreporter.write_line(f"{tests} skipped; each line above gives the reason and the command that helps.")


def _refusal(reason: Unavailable) -> BaseException:
    if os.environ.get("CI") == "true":
        return pytest.fail.Exception(str(reason), pytrace=False)
    return pytest.skip.Exception(str(reason))
