"""`image-ingest secret`: the SuperOffice credential, checked and stored without passing through a shell."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from image_ingest.superoffice import SCHEMES
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.credentials.form import (
    describe_secret,
    fill_missing,
    make_blank,
    parse_scheme,
    parse_text,
    read_part,
)
from image_ingest_cli.credentials.questions import ask_secret
from image_ingest_cli.credentials.trial import try_secret
from image_ingest_cli.errors import usage_error
from image_ingest_cli.terminal.console import print_json, print_text
from image_ingest_cli.terminal.options import DEFAULT_STACK, StackName, format_stack_option

secret = typer.Typer(no_args_is_help=True, help="The SuperOffice credential: template, check, put.")

SchemeArgument = Annotated[str, typer.Argument(metavar="SCHEME", help=f"One of {', '.join(SCHEMES)}.")]


@secret.command()
def template(scheme: SchemeArgument) -> None:
    """Print a secret with the fields that the scheme needs, for you to fill in.

    Example:

        image-ingest secret template system_user > secret.json
    """
    print_json(make_blank(parse_scheme(scheme)))


@secret.command()
def check(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The secret as JSON.")]) -> None:
    """Check a secret in a file, without sending it anywhere."""
    checked = parse_text(file.read_text(encoding="utf-8-sig"))
    print_text(f"Valid: {describe_secret(checked)}.", "green")


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
    redirect_uri: Annotated[str | None, typer.Option(help="For refresh_token, if the app has one.")] = None,
    check_first: Annotated[
        bool, typer.Option("--check/--no-check", help="Log in to SuperOffice before the secret is stored.")
    ] = True,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Check a secret against SuperOffice, and store it for the function.

    Without SCHEME and --from, every value is asked for step by step. Secret values that are not in a file are read
    from the environment, for example IMAGE_INGEST_CLIENT_SECRET or IMAGE_INGEST_PASSWORD, or asked for on a terminal.
    They are never options, because others can read a command line.

    Examples:

    \b
        image-ingest secret put
        image-ingest secret put --from secret.json
        image-ingest secret put system_user --private-key partner.pem --environment online \\
            --context-identifier Cust12345
    """
    options = {
        "auth": scheme and parse_scheme(scheme),
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
    given = read_part(from_file) | {name: value for name, value in options.items() if value is not None}
    text = json.dumps(_complete(given), indent=2)
    checked = parse_text(text)
    deployed = Stack(stack)
    if check_first:
        try_secret(deployed, text)
    deployed.client("secretsmanager").put_secret_value(SecretId=deployed.secret_id, SecretString=text)
    print_text(f"Stored: {describe_secret(checked)}.", "green")
    command = f"image-ingest upload me.jpg --entity person --id 123 --wait{format_stack_option(stack)}"
    print_text(f"Upload a first photo: {command}")


def _complete(given: dict[str, object]) -> dict[str, object]:
    if "auth" in given:
        return fill_missing(given)
    if not sys.stdin.isatty():
        raise usage_error(f"Name the scheme: {', '.join(SCHEMES)}; or give a complete secret with --from.")
    return ask_secret(given)


def _read(file: Path | None) -> str | None:
    return None if file is None else file.read_text(encoding="utf-8-sig")
