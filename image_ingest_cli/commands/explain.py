"""`image-ingest explain`: everything known about one upload."""

from __future__ import annotations

from typing import Annotated

import typer

from image_ingest.upload import Upload
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.diagnosis.explanation import Explanation, explain_record, explain_upload
from image_ingest_cli.diagnosis.explanation_text import build_document, build_sections
from image_ingest_cli.errors import usage_error
from image_ingest_cli.terminal.console import print_json, print_text
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, StackName
from image_ingest_cli.terminal.records import parse_target


def explain(
    what: Annotated[
        list[str], typer.Argument(metavar="WHAT", help="An upload, s3://BUCKET/KEY, or a record: person 123.")
    ],
    *,
    version_id: Annotated[
        str | None, typer.Option(help="Explain this version of the object instead of the newest.")
    ] = None,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Show everything known about an upload: object, checks, ledger, dead letter, and what to do.

    Examples:

    \b
        image-ingest explain person 123
        image-ingest explain s3://BUCKET/person/123.jpg
    """
    explanation = _explain(Stack(stack), what, version_id)
    if json:
        print_json(build_document(explanation))
        return
    for title, lines in build_sections(explanation):
        print_text(title, "bold")
        for line in lines:
            print_text(f"  {line}")


def _explain(stack: Stack, what: list[str], version_id: str | None) -> Explanation:
    if len(what) == 1 and what[0].startswith("s3://"):
        bucket, _, key = what[0].removeprefix("s3://").partition("/")
        if not key:
            raise usage_error("Name an object by s3://BUCKET/KEY.")
        return explain_upload(stack, Upload(bucket, key, version_id))
    if len(what) == 2:
        return explain_record(stack, parse_target(*what))
    raise usage_error("Name an object, s3://BUCKET/KEY, or a record, such as person 123.")
