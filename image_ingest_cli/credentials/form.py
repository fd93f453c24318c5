"""A secret's fields, from files, options and the environment; checked by the function's own parser."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import typer

from image_ingest.errors import Deferred
from image_ingest.superoffice import SCHEMES, Secret, parse_secret
from image_ingest_cli.errors import CommandError, usage_error
from image_ingest_cli.terminal.console import print_note

_PLACES = {
    False: {"base_url": "https://crm.example.com/SuperOffice/api"},
    True: {"environment": "online", "context_identifier": "Cust12345"},
}
_PLACEHOLDER = re.compile(r"\s*<[a-z ]+>\s*")


def make_blank(scheme: str) -> dict[str, str]:
    """The scheme's fields, each with a placeholder in angle brackets or an example."""
    rules = SCHEMES[scheme]
    own = {name: f"<{name.replace('_', ' ')}>" for name in rules.fields if name != "redirect_uri"}
    return {"auth": scheme, **_PLACES[rules.online], **own}


def parse_scheme(name: str) -> str:
    """The scheme's name, in any case. Raises CommandError."""
    if name.lower() not in SCHEMES:
        raise usage_error(f"SCHEME must be one of {', '.join(SCHEMES)}.")
    return name.lower()


def read_part(file: Path | None) -> dict[str, object]:
    """The fields in a JSON file; none without a file. Raises CommandError."""
    if file is None:
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise CommandError(f"{file.name} is not a JSON object.")
    return content


def fill_missing(content: Mapping[str, object]) -> dict[str, object]:
    """The fields, with the scheme's missing ones from the environment or asked for on a terminal."""
    rules = SCHEMES[parse_scheme(str(content["auth"]))]
    filled = dict(content)
    for name in (name for name in rules.fields if not content.get(name)):
        value = os.environ.get(f"IMAGE_INGEST_{name.upper()}")
        if not value and name in rules.required and sys.stdin.isatty():
            value = typer.prompt(name.replace("_", " "), hide_input=True, err=True)
        if value:
            filled[name] = value
    return filled


def parse_text(text: str) -> Secret:
    """The secret, with its warnings on standard error. Raises CommandError naming every problem."""
    placeholders = _find_placeholders(text)
    if placeholders:
        raise CommandError(
            f"The secret still contains placeholders: {', '.join(placeholders)}. Fill in your own values."
        )
    try:
        parsed = parse_secret(text)
    except Deferred as refusal:
        raise CommandError(refusal.message) from None
    for warning in parsed.warnings:
        print_note(warning, "yellow")
    return parsed.secret


def describe_secret(secret: Secret) -> str:
    """`system_user for Cust12345`."""
    scheme = next(name for name, rules in SCHEMES.items() if isinstance(secret.scheme, rules.values))
    return f"{scheme} for {secret.tenant}"


def _find_placeholders(text: str) -> list[str]:
    try:
        content = json.loads(text)
    except ValueError:
        return []
    fields = content.items() if isinstance(content, dict) else ()
    return [name for name, value in fields if isinstance(value, str) and _PLACEHOLDER.fullmatch(value)]
