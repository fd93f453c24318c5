"""Shows the main job on this machine: an album goes S3 -> SQS -> Lambda -> SuperOffice -> DynamoDB.

Variables: PHOTO, a picture of yours to send as well; AUTH, the credential scheme (default system_user).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from image_ingest.errors import CATALOGUE
from sandbox.aws import SandboxFailed, start_aws
from sandbox.demo.album import Sample, make_album
from sandbox.demo.contact_sheet import Comparison, draw_contact_sheet
from sandbox.demo.options import OptionResult, try_options
from sandbox.demo.send import SampleResult, find_mismatches, find_stored_picture, send_samples
from sandbox.signals import exit_on_signals
from sandbox.superoffice import AUTHS, StandIn, prepare_keys

SHEET = Path("demo.png")
_COLOURS = {"rejected": "red", "deferred": "yellow", "lost": "red"}


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Returns 0 if every outcome is as expected, 1 if not, 2 for wrong variables, 130 after Ctrl-C."""
    console = Console(width=None if Console().is_terminal else 132, highlight=False)
    own, auth = environment.get("PHOTO"), environment.get("AUTH") or AUTHS[0]
    if auth not in AUTHS:
        console.print(f"AUTH must be one of {', '.join(AUTHS)}.")
        return 2
    if own and not Path(own).is_file():
        console.print(f"PHOTO: the file {escape(own)} does not exist.")
        return 2
    try:
        with exit_on_signals():
            return _run(console, make_album(Path(own) if own else None), auth)
    except KeyboardInterrupt:
        console.print("Stopped. Nothing is left running.")
        return 130
    except SandboxFailed as failure:
        console.print(f"[red]{escape(str(failure))}[/]")
        return 1


def _run(console: Console, samples: Sequence[Sample], auth: str) -> int:
    console.print("Starting an AWS emulator and a SuperOffice stand-in on 127.0.0.1.")
    prepare_keys()
    with StandIn() as superoffice, start_aws() as aws:
        stack = aws.deploy()
        stack.put_secret(superoffice.secret(auth))
        console.print(f"template.yaml is deployed. The secret contains a credential of the scheme {auth}.\n")
        with _make_progress(console) as progress:
            task = progress.add_task("uploads settled", total=len(samples))

            def on_settled(result: SampleResult) -> None:
                console.print(_format_line(result))
                progress.advance(task)

            settled = send_samples(stack, samples, on_settled)
        wrong = find_mismatches(stack, superoffice, settled)
        console.print()
        console.print(_make_table(settled, wrong))
        uploads = sorted((r for r in settled if not r.sample.repeats), key=lambda result: samples.index(result.sample))
        draw_contact_sheet([_compare(superoffice, result) for result in uploads]).save(SHEET)
        console.print(f"Before and after: {SHEET.resolve()}\n")
        console.print("Three options, off by default, in a second stack:")
        options = try_options(aws, superoffice)
    for option in options:
        console.print(_format_option(option))
    failed = [option for option in options if not option.is_expected]
    if wrong or failed:
        console.print(f"[red]{len(wrong) + len(failed)} outcomes are not as expected.[/]")
    return 1 if wrong or failed else 0


def _make_progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal)


def _format_line(result: SampleResult) -> str:
    sample = result.sample
    colour = _COLOURS.get(result.outcome, "green")
    left = f"blob {result.blob_id}" if result.blob_id is not None else (result.code or "")
    target, outcome = f"{_format_target(sample):<12}", f"[{colour}]{result.outcome:<10}[/]"
    return f"  {sample.name:<12} -> {target} {outcome} {left:<26} ({sample.about})"


def _format_option(result: OptionResult) -> str:
    mark = "" if result.is_expected else "[red]WRONG:[/] "
    return f"  {mark}{result.option:<20} {escape(result.text)}"


def _make_table(settled: Sequence[SampleResult], wrong: Mapping[Sample, str]) -> Table:
    table = Table("file", "target", "outcome", "blob id or code", "what to do", title="Outcomes of the album")
    for result in settled:
        left = str(result.blob_id) if result.blob_id is not None else (result.code or "")
        advice = CATALOGUE[result.code].advice if result.code else ""
        if result.sample in wrong:
            advice = f"[red]WRONG: {wrong[result.sample]}.[/] {advice}"
        colour = _COLOURS.get(result.outcome, "green")
        table.add_row(
            escape(result.sample.name), _format_target(result.sample), f"[{colour}]{result.outcome}[/]", left, advice
        )
    return table


def _compare(superoffice: StandIn, result: SampleResult) -> Comparison:
    sample, picture = result.sample, find_stored_picture(superoffice, result)
    return Comparison(
        sample.name, sample.about, sample.data, _format_target(sample), picture.data if picture else None, result.result
    )


def _format_target(sample: Sample) -> str:
    return str(sample.target) if sample.target else "no target"


if __name__ == "__main__":
    raise SystemExit(main())
