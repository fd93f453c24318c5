"""Text that is safe to show, whatever a key or a file name contains."""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def clean(text: object) -> str:
    """The text without control and direction characters, which could rewrite the terminal or mislead the reader."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _HIDDEN else c for c in str(text))


def pluralize(count: int, noun: str) -> str:
    """`1 record`, `2 records`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def list_names(names: list[str], limit: int = 5) -> str:
    """The first names, separated by commas, and a sign that there are more."""
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")
