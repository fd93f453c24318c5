"""The questions that lead an operator to a complete secret, on a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer

from image_ingest.superoffice import SCHEMES
from image_ingest_cli.credentials.form import parse_text
from image_ingest_cli.errors import CommandError
from image_ingest_cli.terminal.console import print_note

SCHEME_DESCRIPTIONS = {
    "system_user": "system user of an app that is registered with SuperOffice; for production",
    "refresh_token": "refresh token of one SuperOffice user; for production",
    "basic": "user name and password; for production",
    "ticket": "ticket; for evaluation, because it expires after six hours without use",
    "bearer": "access token; for evaluation, because it expires within the hour",
    "session": "cookie of a browser session; for evaluation",
}
_ENVIRONMENTS = {
    "online": "production",
    "qaonline": "stage",
    "sod": "development",
}
_QUESTIONS = {
    "base_url": "Address of the API, such as https://crm.example.com/SuperOffice/api",
    "context_identifier": "Context identifier of your SuperOffice, such as Cust12345",
    "login_url": "Address of your own login service, such as https://login.example.com",
    "username": "User name",
    "client_id": "Client id (application id) of the app",
    "redirect_uri": "Redirect URI of the app (optional, Enter to skip)",
    "private_key": "File with the private key, PEM or RSA-XML",
    "app_token": "Application token (optional onsite, Enter to skip)",
    "client_secret": "Client secret (application token) of the app",
}


def ask_secret(given: Mapping[str, object]) -> dict[str, object]:
    """The fields of a complete, valid secret; what is `given` is not asked for."""
    content = dict(given)
    online = (
        "base_url" not in content
        and _ask_choice(
            "Where is your SuperOffice?", {"online": "SuperOffice Online", "onsite": "a server of your own"}
        )
        == "online"
    )
    schemes = {name: text for name, text in SCHEME_DESCRIPTIONS.items() if _fits(name, online=online)}
    content["auth"] = _ask_choice("How does the function log in?", schemes)
    for name in _list_fields(str(content["auth"]), online=online):
        if not content.get(name):
            content[name] = _ask_field(name)
    while problem := _find_problem(content):
        print_note(problem, "red")
        named = set(re.findall(r"[a-z_]+", problem))
        for name in [name for name in content if name in named and name != "auth"] or _stop(problem):
            content[name] = _ask_field(name)
    return _drop_blanks(content)


def _fits(scheme: str, *, online: bool) -> bool:
    return SCHEMES[scheme].online if online else scheme != "bearer"


def _list_fields(scheme: str, *, online: bool) -> Iterator[str]:
    """The fields to ask for: first where SuperOffice is, then the scheme's own."""
    rules = SCHEMES[scheme]
    if online:
        yield from ("environment", "context_identifier")
    else:
        yield "base_url"
        if rules.logs_in:
            yield from ("login_url", "context_identifier")
    yield from rules.fields


def _ask_choice(question: str, options: Mapping[str, str]) -> str:
    print_note(question, "bold")
    names = list(options)
    for number, name in enumerate(names, 1):
        print_note(f"  {number}  {options[name]}")
    while True:
        answer = str(typer.prompt("Number", err=True)).strip()
        if answer.isdecimal() and 1 <= int(answer) <= len(names):
            return names[int(answer) - 1]
        print_note(f"Type a number from 1 to {len(names)}.", "red")


def _ask_field(name: str) -> str:
    if name == "environment":
        return _ask_choice("Which environment of SuperOffice Online?", _ENVIRONMENTS)
    if name == "private_key":
        return _ask_file(_QUESTIONS[name])
    question = _QUESTIONS.get(name, name.replace("_", " ").capitalize())
    default = "" if "optional" in question else None
    return str(typer.prompt(question, default=default, show_default=False, hide_input=_is_hidden(name), err=True))


def _ask_file(question: str) -> str:
    while True:
        path = Path(typer.prompt(question, err=True)).expanduser()
        try:
            return path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            print_note(f"{path} is not a readable text file.", "red")


def _is_hidden(name: str) -> bool:
    return name not in {"base_url", "context_identifier", "login_url", "username", "client_id", "redirect_uri"}


def _find_problem(content: Mapping[str, object]) -> str | None:
    try:
        parse_text(json.dumps(_drop_blanks(content)))
    except CommandError as problem:
        return str(problem)
    return None


def _stop(problem: str) -> list[str]:
    raise CommandError(problem)


def _drop_blanks(content: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in content.items() if value not in ("", None)}
