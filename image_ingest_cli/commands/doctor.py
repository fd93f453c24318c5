"""`image-ingest doctor`: checks everything that uploads need."""

from __future__ import annotations

import typer

from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.checks.all import run_checks
from image_ingest_cli.checks.finding import Finding
from image_ingest_cli.terminal.console import print_json, print_text
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, StackName


def doctor(*, json: AsJson = False, stack: StackName = DEFAULT_STACK) -> None:
    """Check the stack, the credential and SuperOffice; each failure includes a fix.

    Nothing is changed: the function is invoked without an upload, and SuperOffice is only read.
    """
    findings = []
    for finding in run_checks(Stack(stack)):
        findings.append(finding)
        if not json:
            _show(finding)
    if json:
        print_json([vars(finding) for finding in findings])
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    label, style = ("ok  ", "green") if finding.ok else ("FAIL", "bold red")
    print_text(f"{label} {finding.check}: {finding.detail}", style)
    if finding.fix:
        print_text(f"     → {finding.fix}")
