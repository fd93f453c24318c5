"""The program's output redirected to a file, on systems with old code pages too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.support.cli_sandbox import CliSandbox

KEY = "→ Åse 東.jpg"
OLD_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def _redirect(sandbox: CliSandbox, path: Path, *arguments: str, mode: str = "wb", **environment: str) -> bytes:
    """Runs `image-ingest ARGUMENTS > path`. What the file contains."""
    surroundings = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        **sandbox.stack.aws.environment(),
        "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}",
        **environment,
    }
    command = [sys.executable, "-m", "image_ingest_cli", *arguments]
    with path.open(mode) as file:
        run = subprocess.run(command, env=surroundings, cwd=ROOT, stdout=file, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 0, run.stderr.decode()
    return path.read_bytes()


@pytest.mark.parametrize(
    ("environment", "encoding", "expected"),
    [
        (OLD_LOCALE, "utf-8", KEY),
        ({"PYTHONIOENCODING": "cp1252"}, "cp1252", "? Åse ?.jpg"),
    ],
)
def test_every_character_can_be_redirected(
    sandbox: CliSandbox, tmp_path: Path, environment: dict[str, str], encoding: str, expected: str
) -> None:
    sandbox.put(KEY, b"no picture", "person#1")
    sandbox.until_dead_letters(1)
    out = _redirect(sandbox, tmp_path / "out.txt", "failures", "list", "--no-predict", **environment).decode(encoding)
    assert expected in out
    assert "Upload the picture" in out


def test_csv_in_a_new_file_begins_with_a_byte_order_mark(sandbox: CliSandbox, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("person_id;name\n7;Person 7\n", encoding="utf-8")
    arguments = ("missing", str(tmp_path / "people.csv"))
    out = tmp_path / "ask.csv"
    rows = b"line,entity_type,entity_id,given_by,name\n2,person,7,,Person 7\n"
    assert _redirect(sandbox, out, *arguments, **OLD_LOCALE) == b"\xef\xbb\xbf" + rows
    assert _redirect(sandbox, out, *arguments, mode="ab", **OLD_LOCALE) == b"\xef\xbb\xbf" + rows + rows
