"""The options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_STACK = "superoffice-image-ingest"
UPDATE = "pipx install --force ."  # in the folder of the repository; without --force nothing is replaced

StackName = Annotated[
    str, typer.Option("--stack", metavar="NAME", envvar="IMAGE_INGEST_STACK", help="The CloudFormation stack.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
OnlyMissing = Annotated[bool, typer.Option("--only-missing", help="Skip records that already have a picture.")]


def format_stack_option(name: str) -> str:
    """What a printed command must end with to work on this stack."""
    return "" if name == DEFAULT_STACK else f" --stack {name}"


def confirm(question: str, *, yes: bool) -> None:
    """Continues only if the operator agrees; without a terminal only with --yes."""
    if not yes:
        typer.confirm(question, abort=True, err=True)
