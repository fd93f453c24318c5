"""Which tests run which lines, and how long each takes: one run of the tests under coverage, seen test by test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage
import pytest

from tests import ROOT

SOURCES = ("functions/image_ingest", "image_ingest_cli")
TESTS = ("tests/unit", "tests/integration", "tests/simulation")
# Decoding happens in a process that ends without writing what it covered.
_PICTURE = "functions/image_ingest/picture/"
_OF_THE_PROCESS = ("decoder", "fork_server", "isolation", "preloading", "preparation", "seccomp")
_PROCESS_TESTS = ("test_isolation", "test_seccomp", "test_attacks", "test_picture", "test_corpus")
_FORMAT_TESTS = ("test_looks", "test_picture", "test_corpus", "test_fuzz", "test_memory")
_PICTURE_TESTS = ("test_shrinking", *_FORMAT_TESTS, "test_attention")


@dataclass(frozen=True)
class CoverageMap:
    """Node ids of tests by file and line, and their seconds."""

    tests: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]

    def covering(self, path: str, line: int) -> list[str]:
        """The tests to run for a mutant in this line, those that take the least time first."""
        if path.startswith(_PICTURE):
            return [f"tests/unit/picture/{name}.py" for name in _choose_picture_tests(Path(path))]
        found = self.tests.get(path, {}).get(line) or sorted(self._find_tests_around(path))
        by_file: dict[str, list[str]] = defaultdict(list)
        for test in found:
            by_file[test.partition("::")[0]].append(test)
        files = sorted(by_file.values(), key=lambda tests: sum(self.seconds.get(test, 0) for test in tests))
        return [test for tests in files for test in tests]

    def _find_tests_around(self, path: str) -> set[str]:
        """For what runs at import only, which is of no test in particular.

        The tests of the file's other lines, or else of the files that import it, and those that import it themselves.
        """
        module = path.removeprefix("functions/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        importing = f"from {module} import"
        files = {test.partition("::")[0] for test in self.seconds}
        direct = {file for file in files if importing in (ROOT / file).read_text()}
        users = [file for file in self.tests if importing in (ROOT / file).read_text()]
        tests = self._list_tests([path]) or self._list_tests(users)
        return tests | {test for test in self.seconds if test.partition("::")[0] in direct}

    def _list_tests(self, paths: Iterable[str]) -> set[str]:
        return {test for path in paths for tests in self.tests.get(path, {}).values() for test in tests}

    def measure(self, test: str) -> float:
        """Seconds of a test, or of a file's."""
        return sum(seconds for name, seconds in self.seconds.items() if name == test or name.startswith(f"{test}::"))


def _choose_picture_tests(path: Path) -> tuple[str, ...]:
    if path.parent.name in ("formats", "colour"):
        return _FORMAT_TESTS
    return _PROCESS_TESTS if path.stem in _OF_THE_PROCESS else _PICTURE_TESTS


def make_map(folder: Path) -> CoverageMap:
    """Runs the tests once. Raises RuntimeError where one fails: a mutant says nothing then."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", __name__, "-p", "no:cacheprovider", *TESTS]
    environment = {**os.environ, "MUTANTS_MAP": str(folder), "PYTHONPATH": "functions:."}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"The tests do not pass without a mutant:\n{ended.stdout[-3000:]}")
    return load_map(folder)


def load_map(folder: Path) -> CoverageMap:
    """The map that an earlier run of `make_map` left in the folder."""
    data = coverage.CoverageData(str(folder / "coverage"))
    data.read()
    tests = {}
    for name in data.measured_files():
        by_line = data.contexts_by_lineno(name)
        path = Path(name).relative_to(ROOT).as_posix()
        tests[path] = {line: [test for test in contexts if test] for line, contexts in by_line.items()}
    return CoverageMap(tests, json.loads((folder / "seconds.json").read_text()))


class _Watch:
    """The plugin: names the test that is running to coverage."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seconds: dict[str, float] = defaultdict(float)
        sources = [str(ROOT / source) for source in SOURCES]
        self._coverage = coverage.Coverage(data_file=str(folder / "coverage"), source=sources, config_file=False)
        self._coverage.erase()
        self._coverage.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        self._coverage.save()
        (self._folder / "seconds.json").write_text(json.dumps(self._seconds))


def pytest_configure(config: Any) -> None:
    """Called by pytest, which loads this module as a plugin."""
    config.pluginmanager.register(_Watch(Path(os.environ["MUTANTS_MAP"])), "mutants-coverage")
