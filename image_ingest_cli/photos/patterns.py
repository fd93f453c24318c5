"""Patterns such as `{entity}/{id}.*`, which read the record from a file's name."""

from __future__ import annotations

import re
import unicodedata

from image_ingest_cli.errors import usage_error

_PLACEHOLDERS = {
    "entity": ("entity_type", "[^/]+?"),
    "id": ("entity_id", "[0-9]+"),
    "email": ("email", "[^/]+?@[^/]+?"),
    "associate_id": ("associate_id", "[0-9]+"),
    "number": ("number", "[^/]+?"),
    "orgnr": ("orgnr", "[^/]+?"),
    "name": ("name", "[^/]+?"),
}


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern. Raises CommandError if it names no record.

    `*` matches anything but a slash, and `.*` at the end the extension. A pattern without a slash matches the name of
    a file in any subfolder.
    """
    name_pattern, extension = (pattern[:-2], r"\.[^./]+") if pattern.endswith(".*") else (pattern, "")
    parts, used = [], set()
    for literal, star, name in re.findall(r"([^{}*]+)|(\*+)|\{([^{}]*)\}", name_pattern):
        if literal:
            parts.append(re.escape(literal))
        elif star:
            parts.append("[^/]*")
        elif name not in _PLACEHOLDERS or name in used:
            known = ", ".join(f"{{{placeholder}}}" for placeholder in _PLACEHOLDERS)
            raise usage_error(f"--pattern accepts {known}, each once; not {{{name}}}.")
        else:
            used.add(name)
            parts.append(f"(?P<{name}>{_PLACEHOLDERS[name][1]})")
    if not used - {"entity", "name"}:
        raise usage_error(
            "--pattern must contain the record's identifier, for example '{entity}/{id}.*' or '{email}.*'."
        )
    anywhere = "" if "/" in pattern else "(?:.*/)?"
    return re.compile(anywhere + "".join(parts) + extension, re.IGNORECASE | re.DOTALL)


def match_name(expression: re.Pattern[str], name: str) -> dict[str, str] | None:
    """The columns that a name contains by a compiled pattern; None if it does not match."""
    match = expression.fullmatch(normalize(name))
    return match and {_PLACEHOLDERS[placeholder][0]: value for placeholder, value in match.groupdict().items()}


def normalize(name: str) -> str:
    """The name with its accents composed in one way."""
    return unicodedata.normalize("NFC", name)
