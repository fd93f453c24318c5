"""`image-ingest secret`: the SuperOffice credential, checked and stored without passing through a shell."""

from __future__ import annotations

import json as json_module
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from image_ingest.errors import Deferred
from image_ingest.superoffice import SCHEMES, Secret, parse_secret
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.errors import CommandError, usage_error
from image_ingest_cli.terminal.console import print_json, print_note, print_text
from image_ingest_cli.terminal.options import DEFAULT_STACK, StackName

secret = typer.Typer(no_args_is_help=True, help="The SuperOffice credential: template, check, put.")

_PLACES = {
    False: {"base_url": "https://crm.example.com/SuperOffice/api"},
    True: {"environment": "online", "context_identifier": "Cust12345"},
}

SchemeArgument = Annotated[str, typer.Argument(metavar="SCHEME", help=f"One of {', '.join(SCHEMES)}.")]


@secret.command()
def template(scheme: SchemeArgument) -> None:
    """Print a secret with the fields that the scheme needs, for you to fill in.

    Example:

        image-ingest secret template system_user > secret.json
    """
    print_json(make_blank(_parse_scheme(scheme)))


@secret.command()
def check(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The secret as JSON.")]) -> None:
    """Check a secret in a file, without sending it anywhere."""
    parsed = _parse(file.read_text(encoding="utf-8-sig"))
    print_text(f"Valid: {type(parsed.scheme).__name__} for {parsed.tenant}.", "green")


@secret.command()
def put(
    scheme: Annotated[str | None, typer.Argument(metavar="SCHEME", help=f"One of {', '.join(SCHEMES)}.")] = None,
    *,
    from_file: Annotated[
        Path | None, typer.Option("--from", exists=True, dir_okay=False, help="A secret as JSON, complete or in part.")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The partner's RSA key, PEM or RSA-XML.")
    ] = None,
    ca_bundle: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Certificate authorities to trust in addition to the system's, PEM."
        ),
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="The API's address, for your own server.")] = None,
    environment: Annotated[str | None, typer.Option(help="SuperOffice Online: sod, qaonline or online.")] = None,
    context_identifier: Annotated[str | None, typer.Option(help="SuperOffice Online: such as Cust12345.")] = None,
    login_url: Annotated[str | None, typer.Option(help="Instead of https://ENVIRONMENT.superoffice.com.")] = None,
    username: Annotated[str | None, typer.Option(help="For basic.")] = None,
    client_id: Annotated[str | None, typer.Option(help="For refresh_token.")] = None,
    redirect_uri: Annotated[str | None, typer.Option(help="For refresh_token, where the app has one.")] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Check a secret and store it for the function.

    Secret values that are not in a file are read from the environment, for example IMAGE_INGEST_CLIENT_SECRET or
    IMAGE_INGEST_PASSWORD, or asked for on a terminal. They are never options, because others can read a command line.

    Examples:

    \b
        image-ingest secret put --from secret.json
        image-ingest secret put system_user --private-key partner.pem --environment online \\
            --context-identifier Cust12345
    """
    given = {
        "auth": scheme,
        "private_key": _read(private_key),
        "ca_bundle": _read(ca_bundle),
        "base_url": base_url,
        "environment": environment,
        "context_identifier": context_identifier,
        "login_url": login_url,
        "username": username,
        "client_id": client_id,
        "redirect_uri": redirect_uri,
    }
    content = _read_part(from_file) | {name: value for name, value in given.items() if value is not None}
    if "auth" not in content:
        raise usage_error(f"Name the scheme: {', '.join(SCHEMES)}; or give a whole secret with --from.")
    text = json_module.dumps(content | _ask_missing(_parse_scheme(str(content["auth"])), content), indent=2)
    parsed = _parse(text)
    deployed = Stack(stack)
    deployed.client("secretsmanager").put_secret_value(SecretId=deployed.secret_id, SecretString=text)
    print_text(f"Stored: {type(parsed.scheme).__name__} for {parsed.tenant}. Now try: image-ingest doctor", "green")


def make_blank(scheme: str) -> dict[str, str]:
    """The scheme's fields, each with a placeholder in angle brackets or an example."""
    rules = SCHEMES[scheme]
    own = {name: f"<{name.replace('_', ' ')}>" for name in rules.fields if name != "redirect_uri"}
    return {"auth": scheme, **_PLACES[rules.online], **own}


def _ask_missing(scheme: str, content: Mapping[str, object]) -> dict[str, str]:
    """The scheme's fields that are still missing, from the environment or the terminal."""
    rules = SCHEMES[scheme]
    found = {}
    for name in (name for name in rules.fields if not content.get(name)):
        value = os.environ.get(f"IMAGE_INGEST_{name.upper()}")
        if not value and name in rules.required and sys.stdin.isatty():
            value = typer.prompt(name.replace("_", " "), hide_input=True, err=True)
        if value:
            found[name] = value
    return found


def _parse_scheme(name: str) -> str:
    if name.lower() not in SCHEMES:
        raise usage_error(f"SCHEME must be one of {', '.join(SCHEMES)}.")
    return name.lower()


def _parse(text: str) -> Secret:
    """The secret by the function's own parser, with its warnings on standard error."""
    try:
        parsed = parse_secret(text)
    except Deferred as refusal:
        raise CommandError(refusal.message) from None
    for warning in parsed.warnings:
        print_note(warning, "yellow")
    return parsed.secret


def _read_part(file: Path | None) -> dict[str, object]:
    if file is None:
        return {}
    try:
        content = json_module.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise CommandError(f"{file.name} is not a JSON object.")
    return content


def _read(file: Path | None) -> str | None:
    return None if file is None else file.read_text(encoding="utf-8-sig")
