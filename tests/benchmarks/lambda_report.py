"""The tables of docs/lambda.md that benchmarks write."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from pathlib import Path

from tests import ROOT

PLACES = {
    "sizes": ["docs/lambda.md"],
    "cold-start": ["docs/lambda.md"],
    "throughput": ["docs/lambda.md"],
}


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table whose first column is text and whose others are numbers."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write(part: str, text: str) -> None:
    """Replaces one marked part wherever it stands."""
    pattern = re.compile(rf"(<!-- {part}: .*?-->\n).*?(<!-- end -->)", re.DOTALL)
    for place in PLACES[part]:
        path = ROOT / place
        document, found = pattern.subn(lambda match: f"{match[1]}{text}\n{match[2]}", path.read_text())
        if found != 1:
            raise SystemExit(f"{place} should have the part {part} once.")
        path.write_text(document)


def machine() -> str:
    """On what was measured."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{model[1] if model else platform.machine()}, Python 3.13"
