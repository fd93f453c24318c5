"""The parts of the documents that are written from the code. `python -m tests.support.documents` writes them again."""

from __future__ import annotations

import re

from image_ingest.errors import CATALOGUE
from image_ingest.picture.seccomp import CALLS, HEIF_CALLS, Call
from tests import ROOT

GENERATED = ("docs/reference.md", "docs/threats.md")


def code_table(disposition: str) -> str:
    """The catalogue's codes of one disposition, as Markdown."""
    rows = [
        f"| `{code}` | {entry.meaning} | {entry.advice} |"
        for code, entry in CATALOGUE.items()
        if entry.disposition == disposition
    ]
    return "\n".join(["| code | meaning | what to do |", "|---|---|---|", *rows])


def with_code_tables(text: str) -> str:
    """The document with each table of codes as the catalogue has it now."""
    return re.sub(
        r"(<!-- codes: (reject|defer) -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}{code_table(match[2])}\n{match[3]}",
        text,
        flags=re.DOTALL,
    )


def call_table() -> str:
    """The system calls that decoding may make, as Markdown."""
    rows = [f"| `{call.name}` | {call.reason} | {_describe_checks(call)} |" for call in CALLS]
    rows += [f"| `{call.name}` (HEIC only) | {call.reason} | {_describe_checks(call)} |" for call in HEIF_CALLS]
    return "\n".join(["| call | why decoding needs it | what is checked |", "|---|---|---|", *rows])


def _describe_checks(call: Call) -> str:
    return "; ".join(check.meaning for check in call.checks)


def with_generated_parts(text: str) -> str:
    """The document with every table as the code has it now."""
    calls = re.compile(r"(<!-- calls -->\n).*?(<!-- end -->)", re.DOTALL)
    return calls.sub(lambda match: f"{match[1]}{call_table()}\n{match[2]}", with_code_tables(text))


def main() -> None:
    for name in GENERATED:
        path = ROOT / name
        path.write_text(with_generated_parts(path.read_text()))


if __name__ == "__main__":
    main()
