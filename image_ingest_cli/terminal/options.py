"""The options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_STACK = "superoffice-image-ingest"

StackName = Annotated[
    str, typer.Option("--stack", metavar="NAME", envvar="IMAGE_INGEST_STACK", help="The CloudFormation stack.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def confirm(question: str, *, yes: bool) -> None:
    """Goes on only when the operator agrees; without a terminal only with --yes."""
    if not yes:
        typer.confirm(question, abort=True, err=True)
