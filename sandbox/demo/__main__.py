"""The main job, shown on this machine: an album goes S3 -> SQS -> Lambda -> SuperOffice -> DynamoDB.

Variables: PHOTO, a picture of your own to send along; AUTH, the credential scheme (default system_user).
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
from sandbox.aws.emulator import SandboxFailed, embedded_aws
from sandbox.demo.album import Photo, album
from sandbox.demo.contact_sheet import Row, contact_sheet
from sandbox.demo.play import Settled, objections, play, stored_picture
from sandbox.signals import ended_by_signals
from sandbox.superoffice import AUTHS, StandIn
from sandbox.superoffice.state import warm_up

SHEET = Path("demo.png")
_COLOURS = {"rejected": "red", "deferred": "yellow", "lost": "red"}


def main(environment: Mapping[str, str] = os.environ) -> int:
    """The exit status: 0 if every outcome is the expected one, 1 if not, 2 for wrong variables, 130 after Ctrl-C."""
    console = Console(width=None if Console().is_terminal else 132, highlight=False)
    own, auth = environment.get("PHOTO"), environment.get("AUTH") or AUTHS[0]
    if auth not in AUTHS:
        console.print(f"AUTH must be one of {', '.join(AUTHS)}.")
        return 2
    if own and not Path(own).is_file():
        console.print(f"PHOTO: there is no file {escape(own)}.")
        return 2
    try:
        with ended_by_signals():
            return _show(console, album(Path(own) if own else None), auth)
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
        return 130
    except SandboxFailed as failure:
        console.print(f"[red]{escape(str(failure))}[/]")
        return 1


def _show(console: Console, photos: Sequence[Photo], auth: str) -> int:
    console.print("Starting an AWS and a SuperOffice of your own, on 127.0.0.1 only.")
    warm_up()
    with StandIn() as superoffice, embedded_aws() as aws:
        stack = aws.deploy()
        stack.put_secret(superoffice.secret(auth))
        console.print(f"template.yaml is deployed; the secret holds a credential of the scheme {auth}.\n")
        with _progress(console) as progress:
            task = progress.add_task("uploads settled", total=len(photos))

            def on_settled(result: Settled) -> None:
                console.print(_line(result))
                progress.advance(task)

            settled = play(stack, photos, on_settled)
        wrong = objections(stack, superoffice, settled)
        console.print()
        console.print(_table(settled, wrong))
        uploads = sorted((r for r in settled if not r.photo.repeats), key=lambda result: photos.index(result.photo))
        contact_sheet([_row(superoffice, result) for result in uploads]).save(SHEET)
    console.print(f"Before and after: {SHEET.resolve()}")
    if wrong:
        console.print(f"[red]{len(wrong)} of {len(settled)} outcomes are not as they should be.[/]")
    return 1 if wrong else 0


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal)


def _line(result: Settled) -> str:
    photo = result.photo
    colour = _COLOURS.get(result.outcome, "green")
    left = f"blob {result.blob_id}" if result.blob_id is not None else (result.code or "")
    return f"  {photo.name:<12} -> {_target(photo):<12} [{colour}]{result.outcome:<10}[/] {left:<26} ({photo.about})"


def _table(settled: Sequence[Settled], wrong: Mapping[Photo, str]) -> Table:
    table = Table(
        "file", "target", "outcome", "blob id or code", "what to do about it", title="What became of the album"
    )
    for result in settled:
        left = str(result.blob_id) if result.blob_id is not None else (result.code or "")
        advice = CATALOGUE[result.code].advice if result.code else ""
        if result.photo in wrong:
            advice = f"[red]NOT AS IT SHOULD BE: {wrong[result.photo]}.[/] {advice}"
        colour = _COLOURS.get(result.outcome, "green")
        table.add_row(escape(result.photo.name), _target(result.photo), f"[{colour}]{result.outcome}[/]", left, advice)
    return table


def _row(superoffice: StandIn, result: Settled) -> Row:
    photo, picture = result.photo, stored_picture(superoffice, result)
    return Row(photo.name, photo.about, photo.data, _target(photo), picture.data if picture else None, result.result)


def _target(photo: Photo) -> str:
    return str(photo.target) if photo.target else "nobody"


if __name__ == "__main__":
    raise SystemExit(main())
