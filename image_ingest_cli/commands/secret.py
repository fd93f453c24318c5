"""`image-ingest secret`: the SuperOffice credential, assembled, checked and stored without passing through a shell."""

from __future__ import annotations

import json as json_module
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from image_ingest.errors import Deferred
from image_ingest.superoffice.secret_schema import (
    Basic,
    Bearer,
    RefreshToken,
    SecretDocument,
    Session,
    SystemUser,
    Ticket,
    parse,
)
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.errors import Trouble, misuse
from image_ingest_cli.terminal import console
from image_ingest_cli.terminal.options import DEFAULT_STACK, StackName

secret = typer.Typer(no_args_is_help=True, help="The SuperOffice credential: template, check, put.")

SCHEMES: Mapping[str, type[Basic | Ticket | Bearer | RefreshToken | SystemUser | Session]] = {
    "basic": Basic,
    "ticket": Ticket,
    "bearer": Bearer,
    "refresh_token": RefreshToken,
    "system_user": SystemUser,
    "session": Session,
}
_OPTIONAL = {"app_token", "redirect_uri"}
_PLACES = {
    "onsite": {"base_url": "https://crm.example.com/SuperOffice/api"},
    "online": {"environment": "online", "context_identifier": "Cust12345"},
}
_PLACE_OF = {"basic": "onsite", "session": "onsite"}

SchemeArgument = Annotated[str, typer.Argument(metavar="SCHEME", help=f"One of {', '.join(SCHEMES)}.")]


@secret.command()
def template(scheme: SchemeArgument) -> None:
    """Print a secret with the fields that the scheme needs, to be filled in.

    Example:

        image-ingest secret template system_user > secret.json
    """
    console.say_json(blank(_scheme(scheme)))


@secret.command()
def check(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The secret as JSON.")]) -> None:
    """Check a secret in a file, without sending it anywhere."""
    document = _checked(file.read_text(encoding="utf-8-sig"))
    console.say(f"Valid: {type(document.scheme).__name__} for {document.tenant}.", "green")


@secret.command()
def put(
    scheme: Annotated[str | None, typer.Argument(metavar="SCHEME", help=f"One of {', '.join(SCHEMES)}.")] = None,
    *,
    from_file: Annotated[
        Path | None, typer.Option("--from", exists=True, dir_okay=False, help="A secret as JSON, whole or in part.")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The partner's RSA key, PEM or RSA-XML.")
    ] = None,
    ca_bundle: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Authorities to trust besides the system's, PEM.")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="The API's address, for a server of your own.")] = None,
    environment: Annotated[str | None, typer.Option(help="SuperOffice Online: sod, qaonline or online.")] = None,
    context_identifier: Annotated[str | None, typer.Option(help="SuperOffice Online: such as Cust12345.")] = None,
    login_url: Annotated[str | None, typer.Option(help="Instead of https://ENVIRONMENT.superoffice.com.")] = None,
    username: Annotated[str | None, typer.Option(help="For basic.")] = None,
    client_id: Annotated[str | None, typer.Option(help="For refresh_token.")] = None,
    redirect_uri: Annotated[str | None, typer.Option(help="For refresh_token, where the app has one.")] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Assemble a secret, check it, and store it for the function.

    What is secret and not in a file is read from the environment, for example IMAGE_INGEST_CLIENT_SECRET or
    IMAGE_INGEST_PASSWORD, or asked for on a terminal; never from the command line, which others can read.

    Examples:

    \b
        image-ingest secret put --from secret.json
        image-ingest secret put system_user --private-key partner.pem --environment online \\
            --context-identifier Cust12345
    """
    given = {
        "auth": scheme,
        "private_key": _text(private_key),
        "ca_bundle": _text(ca_bundle),
        "base_url": base_url,
        "environment": environment,
        "context_identifier": context_identifier,
        "login_url": login_url,
        "username": username,
        "client_id": client_id,
        "redirect_uri": redirect_uri,
    }
    content = _part(from_file) | {name: value for name, value in given.items() if value is not None}
    if "auth" not in content:
        raise misuse(f"Name the scheme: {', '.join(SCHEMES)}; or give a whole secret with --from.")
    text = json_module.dumps(content | _asked(_scheme(str(content["auth"])), content), indent=2)
    document = _checked(text)
    target = Stack(stack)
    target.client("secretsmanager").put_secret_value(SecretId=target.secret_id, SecretString=text)
    console.say(
        f"Stored: {type(document.scheme).__name__} for {document.tenant}. Now try: image-ingest doctor", "green"
    )


def blank(scheme: str) -> dict[str, str]:
    """The scheme's fields with something in angle brackets, or an example, in each."""
    own = {field.name: f"<{field.name.replace('_', ' ')}>" for field in fields(SCHEMES[scheme])}
    place = _PLACES[_PLACE_OF.get(scheme, "online")]
    return {"auth": scheme, **place, **{name: value for name, value in own.items() if name != "redirect_uri"}}


def _asked(scheme: str, content: Mapping[str, object]) -> dict[str, str]:
    """The scheme's own fields that are still lacking, from the environment or the terminal."""
    lacking = [field.name for field in fields(SCHEMES[scheme]) if not content.get(field.name)]
    found = {}
    for name in lacking:
        value = os.environ.get(f"IMAGE_INGEST_{name.upper()}")
        if not value and name not in _OPTIONAL and sys.stdin.isatty():
            value = typer.prompt(name.replace("_", " "), hide_input=True, err=True)
        if value:
            found[name] = value
    return found


def _scheme(name: str) -> str:
    if name.lower() not in SCHEMES:
        raise misuse(f"SCHEME must be one of {', '.join(SCHEMES)}.")
    return name.lower()


def _checked(text: str) -> SecretDocument:
    """The document by the function's own parser, which also tells of fields that it does not use."""
    log = logging.getLogger("image_ingest.superoffice.secret_schema")
    said: list[str] = []
    handler = _Collect(said)
    log.addHandler(handler)
    try:
        document = parse(text)
    except Deferred as refusal:
        raise Trouble(refusal.message) from None
    finally:
        log.removeHandler(handler)
    for line in said:
        console.note(line, "yellow")
    return document


class _Collect(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


def _part(file: Path | None) -> dict[str, object]:
    if file is None:
        return {}
    try:
        content = json_module.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Trouble(f"{file.name} is not a JSON object.")
    return content


def _text(file: Path | None) -> str | None:
    return None if file is None else file.read_text(encoding="utf-8-sig")
