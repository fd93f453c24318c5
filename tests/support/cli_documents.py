"""The generated parts of the documents about the command line: its help, and a session as it runs.

A document contains a part between `<!-- commands -->`, `<!-- session -->` or `<!-- example -->` and `<!-- end -->`.
`python -m tests.support.cli_documents` writes them again.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import typer
from typer.testing import CliRunner

from image_ingest_cli.main import app
from tests import ROOT
from tests.support.cli_sandbox import CliSandbox, open_cli_sandbox
from tests.support.stack import photo

WIDTH = "100"

PEOPLE = """\
file;email;person id;name
kari.jpg;kari.hansen@example.com;;Hansen, Kari
ola.png;;2;Ola Nordmann
cut-off.jpg;;3;
nobody.jpg;;2000001;
"""
COMMANDS = (
    "cat people.csv",
    "image-ingest upload photos --manifest people.csv --dry-run",
    "image-ingest upload photos --manifest people.csv --wait",
    "image-ingest status person 2",
    "image-ingest explain person 3",
    "image-ingest failures list",
    "image-ingest failures discard --code superoffice.bad-request --yes",
    "image-ingest doctor",
)
_VARIABLE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{8}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"\bblob \d+"), "blob N"),
    (re.compile(r"127\.0\.0\.1:\d+"), "HOST"),
    (re.compile(r"\d+ bytes"), "N bytes"),
    (re.compile(r"the account allows \d+"), "the account allows N"),
)


def format_command_help() -> str:
    """Every command's help, as Markdown."""
    return "\n".join(
        f"### {' '.join(words)}\n\n```text\n{_print_help(words[1:])}```\n"
        for words in [("image-ingest",), *_list_commands()]
    )


def run_session(sandbox: CliSandbox) -> str:
    """What COMMANDS print, one after the other."""
    lines = []
    with _open_desk(sandbox):
        for command in COMMANDS:
            lines.append(f"$ {command}")
            program, *arguments = shlex.split(command)
            if program == "cat":
                out = Path(arguments[0]).read_text()
            else:
                out = sandbox.run(*arguments, expect=None, width=WIDTH).out
            lines.extend(line.rstrip() for line in out.rstrip("\n").split("\n"))
    return "\n".join(lines) + "\n"


def make_example(recorded: str) -> str:
    """The session's first group of failures: what the README shows."""
    command = "$ image-ingest failures list"
    lines = recorded.split(f"{command}\n")[1].split("\n$ ", maxsplit=1)[0].splitlines()
    groups = [number for number, line in enumerate(lines) if re.fullmatch(r"[a-z.-]+: \d+", line)]
    return "\n".join([command, *lines[: groups[1]]]) + "\n"


def read_recorded_example() -> str:
    """The example in the documents."""
    (part,) = _find_parts("example")
    return part.removeprefix("```console\n").removesuffix("```\n")


def normalize_session(text: str) -> str:
    """The session without what differs each time."""
    for pattern, name in _VARIABLE:
        text = pattern.sub(name, text)
    return text


def read_recorded_session() -> str:
    """The session in the documents."""
    (part,) = _find_parts("session")
    return part.removeprefix("```console\n").removesuffix("```\n")


def find_outdated_parts() -> list[str]:
    """The names of the generated help texts that are not as the commands print them now."""
    return [name for name, content in _build_help_parts().items() if any(part != content for part in _find_parts(name))]


def _build_help_parts() -> dict[str, str]:
    return {"commands": format_command_help()}


def _list_documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _compile_marker(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {name} -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)


def _find_parts(name: str) -> list[str]:
    parts = [match[2] for path in _list_documents() for match in _compile_marker(name).finditer(path.read_text())]
    assert parts, f"no document contains <!-- {name} -->"
    return parts


def _write_part(name: str, content: str) -> None:
    for path in _list_documents():
        text = path.read_text()
        path.write_text(_compile_marker(name).sub(lambda match: match[1] + content, text))


def find_mentions() -> list[str]:
    """Every command line that a document or the template contains, up to where prose or the shell continues."""
    texts = [path.read_text() for path in (*_list_documents(), ROOT / "template.yaml")]
    return [match[0].strip() for text in texts for match in re.finditer(r"\bimage-ingest [a-z][^`\n#;>&|(:\"→]*", text)]


def find_mistake(mention: str) -> str | None:
    """The first word that is no command or option; None if there is no such word."""
    command: Any = typer.main.get_command(app)
    words = mention.split()[1:]
    while hasattr(command, "commands"):
        if not words or words[0].rstrip(".,") not in command.commands:
            return words[0] if words else None
        command = command.commands[words.pop(0).rstrip(".,")]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return next((word for word in words if word.startswith("-") and word not in {*known, "--help"}), None)


def _list_commands() -> Iterator[tuple[str, ...]]:
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from (("image-ingest", name, nested) for nested in command.commands)
        else:
            yield ("image-ingest", name)


def _print_help(words: tuple[str, ...]) -> str:
    with mock.patch.dict(os.environ, {"COLUMNS": WIDTH, "TERMINAL_WIDTH": WIDTH}):
        result = CliRunner().invoke(app, [*words, "--help"], prog_name="image-ingest", terminal_width=int(WIDTH))
    assert result.exit_code == 0, result.output
    return "\n".join(line.rstrip() for line in result.output.splitlines()) + "\n"


@contextlib.contextmanager
def _open_desk(sandbox: CliSandbox) -> Iterator[None]:
    """A folder with the photos and the spreadsheet, as the current one."""
    sandbox.superoffice.directory.add("person", 1, "Kari Hansen", email="kari.hansen@example.com")
    sandbox.superoffice.directory.add("person", 2, "Ola Nordmann")
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        Path("photos").mkdir()
        Path("photos/kari.jpg").write_bytes(photo("teal", (1600, 1200)))
        Path("photos/ola.png").write_bytes(photo("olive", (300, 400), "PNG"))
        Path("photos/cut-off.jpg").write_bytes(photo("navy", (400, 300))[:700])
        Path("photos/nobody.jpg").write_bytes(photo("red"))
        Path("people.csv").write_text(PEOPLE)
        yield


def main() -> None:
    with open_cli_sandbox(MaxConcurrency="5") as sandbox:  # as the template has it
        sandbox.stack.put_secret(sandbox.superoffice.secret("system_user"))
        recorded = run_session(sandbox)
    _write_part("session", f"```console\n{recorded}```\n")
    _write_part("example", f"```console\n{make_example(recorded)}```\n")
    for name, content in _build_help_parts().items():
        _write_part(name, content)


if __name__ == "__main__":
    main()
