"""The instrument itself: a mutant that a test notices is killed, one that none notices is shown."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import ROOT
from tests.mutants.__main__ import choose
from tests.mutants.coverage_map import CoverageMap
from tests.mutants.mutations import Mutant, find_mutants
from tests.mutants.survivors import is_accepted
from tests.mutants.trial import Copy


def run_mutants(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.mutants", "--processes", "1", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(
    ("module", "tests"),
    [
        ("ledger/order", "tests/unit/ledger/test_order.py"),
        ("image_ingest/target", "tests/unit/test_target.py"),
    ],
)
def test_a_fixed_sample_leaves_no_unlisted_survivor(module: str, tests: str) -> None:
    ended = run_mutants("--seed", "7", "--count", "6", "--only", module, "--tests", tests)
    assert ended.returncode == 0, ended.stdout
    assert "killed" in ended.stdout


def test_what_no_test_notices_is_shown_as_a_diff() -> None:
    ended = run_mutants("--seed", "7", "--count", "1", "--only", "ledger/order", "--tests", "tests/unit/test_report.py")
    assert ended.returncode == 1
    assert "+++ functions/image_ingest/ledger/order.py" in ended.stdout
    assert "1 survived" in ended.stdout


def test_what_a_run_has_shown_is_tried_again(tmp_path: Path) -> None:
    mutants = choose(seed=7, count=2, only="image_ingest/target")
    (listed,) = filter(is_accepted, find_mutants(ROOT, "functions/image_ingest/ledger/order.py"))
    gone = "--- functions/image_ingest/target.py\n+++ functions/image_ingest/target.py\n@@ -1 +1 @@\n-old = 1\n+old = 2"
    report = tmp_path / "report"
    report.write_text(
        "\n\n".join(["seed 7", *(mutant.diff(ROOT) for mutant in (*mutants, listed)), gone, "4 survived"])
    )
    ended = run_mutants("--retry", str(report), "--tests", "tests/unit/test_target.py")
    assert "gone                 functions/image_ingest/target.py: old = 1" in ended.stdout
    assert "4 mutants, 1 are listed with a reason" in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("2 killed"), ended.stdout
    assert ended.returncode == 0


def test_tests_that_fail_anyway_prove_nothing(tmp_path: Path) -> None:
    failing = tmp_path / "test_failing.py"
    failing.write_text("def test_failing() -> None:\n    assert False\n")
    ended = run_mutants("--seed", "7", "--count", "1", "--only", "ledger/order", "--tests", str(failing))
    assert ended.returncode == 1
    assert "do not pass without a mutant" in ended.stdout


def test_every_mutant_is_valid_code_and_differs() -> None:
    sample = choose(seed=3, count=400)
    sources = {path: (ROOT / path).read_bytes() for path in {mutant.path for mutant in sample}}
    trees = {path: ast.dump(ast.parse(source)) for path, source in sources.items()}
    for mutant in sample:
        assert ast.dump(ast.parse(mutant.apply(sources[mutant.path]))) != trees[mutant.path], mutant


def test_the_same_seed_is_the_same_sample() -> None:
    assert choose(seed=5, count=20) == choose(seed=5, count=20) != choose(seed=6, count=20)


def test_a_copy_is_as_before_when_a_trial_ended(tmp_path: Path) -> None:
    (mutant,) = choose(seed=7, count=1, only="ledger/order")
    writing = tmp_path / "test_writing.py"
    writing.write_text(f"""
from pathlib import Path
from tests import ROOT

def test_that_writes() -> None:
    assert Path({mutant.path!r}).read_bytes() != (Path({str(ROOT)!r}) / {mutant.path!r}).read_bytes()
    assert ROOT != Path({str(ROOT)!r})
    (ROOT / "left.txt").write_text("left")
    (ROOT / "README.md").unlink()
""")
    folder = tmp_path / "copy"
    folder.mkdir()
    copy = Copy(folder)
    assert copy.run(mutant, [str(writing)]) == "survived"
    for path in (mutant.path, "README.md"):
        assert (folder / path).read_bytes() == (ROOT / path).read_bytes()
    assert not (folder / "left.txt").exists()


def test_bytecode_of_an_earlier_mutant_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy = Copy(tmp_path / "copy")
    source = (ROOT / "functions/image_ingest/__init__.py").read_bytes()
    for number in (1, 2, 3):
        mutant = Mutant("functions/image_ingest/__init__.py", 1, 0, len(source), f"NUMBER = {number}\n")
        reading = tmp_path / f"test_{number}.py"
        reading.write_text(f"def test():\n    import image_ingest\n    assert image_ingest.NUMBER == {number}\n")
        assert copy.run(mutant, [str(reading)]) == "survived"


def test_annotations_docstrings_and_messages_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(
        '"""Returns 1 < 2."""\n'
        "from typing import Literal\n"
        "def name(value: Literal[1]) -> Literal[2]:\n"
        "    assert value == 1\n"
        '    raise ValueError(f"{value + 1} is too many")\n'
    )
    (mutant,) = find_mutants(tmp_path, "code.py")
    assert mutant.replacement == "pass"
    assert mutant.line == 5


def test_what_runs_at_import_is_tried_with_the_tests_around_it() -> None:
    function = "functions/image_ingest"
    connection, timing, app = (f"{function}/{name}.py" for name in ("superoffice/connection", "timing", "app"))
    story, responses = "tests/integration/test_uploads.py::a", "tests/unit/superoffice/test_responses.py::b"
    seconds = dict.fromkeys((story, responses, "tests/unit/superoffice/test_secret_schema.py::c"), 1.0)
    covering = CoverageMap({connection: {200: [story]}, app: {60: [story]}, timing: {23: []}}, seconds)
    assert covering.covering(connection, 200) == [story]
    assert set(covering.covering(connection, 55)) == {story, responses}
    worker = CoverageMap({f"{function}/worker.py": {60: [story]}, timing: {23: []}}, seconds)
    assert worker.covering(timing, 23) == [story]


def test_every_listed_survivor_is_a_change_of_todays_code() -> None:
    """A reason for a line that is gone would excuse nothing, or one day the wrong change."""
    listed = tomllib.loads((ROOT / "tests/mutants/survivors.toml").read_text())["survivor"]
    keys = {path: {mutant.key(ROOT) for mutant in find_mutants(ROOT, path)} for path in {e["file"] for e in listed}}
    changes = {(path, before, after) for path, found in keys.items() for _, before, after in found}
    lines = {(path, before) for path, before, _ in changes}
    for entry in listed:
        if "after" in entry:
            assert (entry["file"], entry["before"], entry["after"]) in changes, entry
        else:
            assert (entry["file"], entry["before"]) in lines, entry
