"""The parts of the documents that are written from the code. `python -m tests.support.documents` writes them anew."""

from __future__ import annotations

import re

from image_ingest.errors import CATALOGUE
from tests import ROOT

GENERATED = ("README.md", "docs/reference.md")


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


def main() -> None:
    for name in GENERATED:
        path = ROOT / name
        path.write_text(with_code_tables(path.read_text()))


if __name__ == "__main__":
    main()
