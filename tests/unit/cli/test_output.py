"""What the operator sees is safe to show and complete."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from image_ingest.errors import CATALOGUE
from image_ingest.superoffice import SCHEMES, parse_secret
from image_ingest.target import Target
from image_ingest.upload import UploadIdentity
from image_ingest_cli.aws.follow import FollowedUpload
from image_ingest_cli.aws.ledger import Ending
from image_ingest_cli.aws.transfer import PhotoFile, Transfer
from image_ingest_cli.credentials.form import make_blank
from image_ingest_cli.main import app
from image_ingest_cli.photos.report import build_rows, show_rows
from image_ingest_cli.terminal.console import print_json, print_note, print_table, print_text
from image_ingest_cli.terminal.progress import show_progress
from image_ingest_cli.terminal.spreadsheet import print_csv, write_csv
from image_ingest_cli.terminal.text import clean
from sandbox.superoffice import get_private_pem


def _run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(value: str) -> None:
    file = io.StringIO()
    write_csv(file, ["key"], [[value]])
    assert list(csv.reader(io.StringIO(file.getvalue(), newline="")))[1] == [f"'{clean(value)}"]


def test_cells_keep_their_text() -> None:
    file = io.StringIO()
    write_csv(file, ["a", "b", "c"], [[None, 5, 'x,"y"']])
    assert file.getvalue() == 'a,b,c\n,5,"x,""y"""\n'


def test_csv_that_is_redirected_to_a_file_begins_with_one_byte_order_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with (tmp_path / "out.csv").open("a", encoding="utf-8") as file:
            monkeypatch.setattr(sys, "stdout", file)
            print_csv(["name"], [["Åse"]])
    assert (tmp_path / "out.csv").read_bytes() == b"\xef\xbb\xbf" + 2 * "name\nÅse\n".encode()


def test_csv_in_an_old_code_page_has_no_byte_order_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "out.csv").open("w", encoding="cp1252") as file:
        monkeypatch.setattr(sys, "stdout", file)
        print_csv(["name"], [["Åse"]])
    assert (tmp_path / "out.csv").read_bytes() == b"name\n\xc5se\n"


@pytest.mark.parametrize("evil", ["\x1b[2J", "\u202egpj.exe", "\x9b31m", "\u200b", "\n", "\u2028"])
def test_no_character_acts_on_the_terminal(evil: str) -> None:
    assert clean(f"a{evil[0]}b") == "a\N{REPLACEMENT CHARACTER}b"


def test_markup_in_a_key_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["key"], [["[red]photo[/red] :smile:.jpg"]])
    print_text("[bold]x")
    assert "[red]photo[/red] :smile:.jpg" in (out := capsys.readouterr().out)
    assert "[bold]x" in out


def test_data_goes_to_standard_output_and_notes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"key": "ö"})
    print_note("skipped")
    assert capsys.readouterr() == ('{\n  "key": "\\u00f6"\n}\n', "skipped\n")


def test_no_progress_is_shown_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("Uploading", 2) as steps:
        steps.advance()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_how_many_are_done_and_how_quickly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with show_progress("Uploading", 3) as steps:
        steps.advance()
        time.sleep(0.1)
        steps.advance()
    output, shown = capsys.readouterr()
    assert output == ""
    assert "Uploading" in shown
    assert "2/3" in shown
    assert re.search(r"\d+/s", shown)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_template_is_valid_once_it_is_filled_in(scheme: str, tmp_path: Path) -> None:
    printed = _run("secret", "template", scheme)
    filled = {name: value.replace("<", "").replace(">", "") for name, value in json.loads(printed.stdout).items()}
    if "private_key" in filled:
        filled["private_key"] = get_private_pem("partner")
    assert type(parse_secret(json.dumps(filled)).secret.scheme) is SCHEMES[scheme].values
    assert filled.keys() == make_blank(scheme).keys()
    file = tmp_path / "secret.json"
    file.write_text(json.dumps({**filled, "colour": "blue"}), encoding="utf-8-sig")
    checked = _run("secret", "check", str(file))
    assert checked.exit_code == 0
    assert "colour" in checked.stderr


def test_a_secret_is_checked_without_repeating_it(tmp_path: Path) -> None:
    file = tmp_path / "secret.json"
    file.write_text(json.dumps({"auth": "basic", "base_url": "http://crm.example.com", "password": "hunter2"}))
    checked = _run("secret", "check", str(file))
    assert checked.exit_code == 1
    assert "username is missing" in checked.stderr
    assert "https://" in checked.stderr
    assert "hunter2" not in checked.output
    file.write_text("[")
    assert _run("secret", "check", str(file)).exit_code == 1
    assert _run("secret", "template", "kerberos").exit_code == 2


def test_the_first_50_failures_are_shown_and_the_rest_counted(capsys: pytest.CaptureFixture[str]) -> None:
    photos = [PhotoFile(f"{n}.jpg", f"{n}.jpg", n, Target("person", n), f"person/{n}.jpg", "") for n in range(1, 54)]
    transfers = [Transfer(photo, "failed", problem="gone") for photo in photos]
    show_rows(build_rows(transfers, None, "trial"), as_json=False, followed=False)
    shown = capsys.readouterr().out
    assert "50.jpg" in shown
    assert "51.jpg" not in shown
    assert "… and 3 more; --report FILE writes them all." in shown
    assert "53 failed." in shown


_LATER = "It is retried automatically. Check again later: image-ingest explain person 7 --stack trial"
_REPLAY = (
    "It is not retried any more. Once the cause is gone: image-ingest failures replay --code target.busy --stack trial"
)


@pytest.mark.parametrize(
    ("ending", "code", "advice"),
    [
        (Ending("stored"), None, None),
        (Ending("rejected", "image.unreadable"), None, CATALOGUE["image.unreadable"].advice),
        (Ending("rejected", "target.busy"), None, f"{CATALOGUE['target.busy'].advice} {_REPLAY}"),
        (None, "target.busy", f"{CATALOGUE['target.busy'].advice} {_LATER}"),
        (None, None, _LATER),
    ],
)
def test_each_upload_has_the_advice_for_its_state(ending: Ending | None, code: str | None, advice: str | None) -> None:
    photo = PhotoFile("7.jpg", "7.jpg", None, Target("person", 7), "person/7.jpg", "image/jpeg")
    identity = UploadIdentity("b", photo.key, "1", None, "2026-10-05T10:00:00Z", "e")
    transfer = Transfer(photo, "uploaded", identity)
    (row,) = build_rows([transfer], [FollowedUpload(transfer, ending, code)], "trial")
    assert row["advice"] == advice


@pytest.mark.parametrize("variables", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("words", ["secret template basic", "upload --help", "--help", "--version"])
def test_a_program_that_stops_reading_ends_the_command_quietly_with_status_1(
    words: str, variables: dict[str, str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "image_ingest_cli", *words.split()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables}
    run = subprocess.run(command, env=environment, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (run.returncode, run.stderr) == (1, b"")


def test_the_command_line_starts_where_pictures_cannot_be_decoded() -> None:
    """Windows has no `resource` module."""
    program = "import sys; sys.modules['resource'] = None; from image_ingest_cli.main import main; main()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", program, "upload", "--help"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "--manifest" in run.stdout
