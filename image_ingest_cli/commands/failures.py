"""`image-ingest failures`: the dead letters, why they failed, and what a replay would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from image_ingest_cli.aws.dead_letters import (
    DeadLetter,
    await_move_task,
    delete_letter,
    hold_dead_letters,
    replay_letters,
    start_move_task,
)
from image_ingest_cli.aws.queues import count_held_dead_letters
from image_ingest_cli.aws.selection import Selection
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.diagnosis.letter_text import build_letter, build_letters, find_entry, list_advice, show_letters
from image_ingest_cli.diagnosis.replays import predict_replays
from image_ingest_cli.terminal.console import print_json, print_note, print_text
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, DryRun, StackName, Yes, confirm
from image_ingest_cli.terminal.progress import show_progress
from image_ingest_cli.terminal.text import pluralize

failures = typer.Typer(no_args_is_help=True, help="Uploads that failed permanently: list, show, replay, discard.")

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Dead letters, by the beginning of their ids.")]
Code = Annotated[str | None, typer.Option("--code", help="Those with this error code.")]
Key = Annotated[str | None, typer.Option("--key", help="Those whose object has this key; * matches anything.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter.")]


@failures.command("list")
def list_letters(
    *,
    code: Code = None,
    key: Key = None,
    predict: Annotated[bool, typer.Option(help="Predict what a replay would do; takes a moment for each.")] = True,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """List the dead letters by reason, with advice and the result of a replay.

    Nothing is removed from the queue.
    """
    deployed = Stack(stack)
    held_elsewhere = count_held_dead_letters(deployed)
    with hold_dead_letters(deployed) as every:
        letters = Selection(code=code, key=key).select(every)
        predictions = predict_replays(deployed, letters) if predict else {}
    if held_elsewhere:
        print_note(f"About {held_elsewhere} more are being read by somebody else. Try again in some minutes.")
    if json:
        print_json(build_letters(letters, predictions, stack))
    else:
        show_letters(letters, predictions, stack)


@failures.command("show")
def show_letter(
    message_id: Annotated[str, typer.Argument(metavar="ID", help="The beginning of its id.")],
    *,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Show one dead letter with its complete message."""
    deployed = Stack(stack)
    with hold_dead_letters(deployed) as every:
        (letter,) = Selection(ids=[message_id]).select(every)
        prediction = predict_replays(deployed, [letter]).get(letter.id)
    row = build_letter(letter, prediction)
    if json:
        print_json({**row, "body": letter.body})
        return
    meaning, advice = find_entry(letter.code).meaning, " ".join(list_advice(letter.code, stack))
    facts = {**row, "meaning": meaning, "advice": advice, "prediction": prediction, "body": letter.body}
    for name, value in facts.items():
        if value is not None:
            print_text(f"{name.replace('_', ' ')}: {value}")


@failures.command()
def replay(
    ids: Ids = None,
    *,
    code: Code = None,
    key: Key = None,
    all_: All = False,
    per_second: Annotated[float, typer.Option(min=0.1, max=500, help="The highest rate.")] = 10,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Send dead letters back to the ingest queue, after showing the predicted result.

    Examples:

    \b
        image-ingest failures replay --code superoffice.forbidden --dry-run
        image-ingest failures replay --all --yes
    """
    deployed = Stack(stack)
    selection = Selection(ids or (), code, key, all_)
    selection.require()
    with hold_dead_letters(deployed) as every:
        letters = selection.select(every)
        predictions = predict_replays(deployed, letters)
        if not json:
            show_letters(letters, predictions, stack)
        if letters and not dry_run:
            confirm(f"Replay {pluralize(len(letters), 'dead letter')}?", yes=yes)
        if not (dry_run or selection.is_everything):
            _replay(deployed, letters, per_second)
    replayed = 0 if dry_run else len(letters)
    if selection.is_everything and replayed:
        replayed = replay_all(deployed, per_second)
    if json:
        print_json({**build_letters(letters, predictions, stack), "replayed": replayed})
    else:
        print_text("Nothing was replayed." if dry_run else f"Replayed: {pluralize(replayed, 'dead letter')}.")


@failures.command()
def discard(
    ids: Ids = None,
    *,
    code: Code = None,
    key: Key = None,
    all_: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Delete dead letters permanently; their objects stay in the bucket."""
    deployed = Stack(stack)
    selection = Selection(ids or (), code, key, all_)
    selection.require()
    with hold_dead_letters(deployed) as every:
        letters = selection.select(every)
        if not json:
            show_letters(letters, {}, stack)
        if letters and not dry_run:
            confirm(f"Delete {pluralize(len(letters), 'dead letter')} permanently?", yes=yes)
            for letter in letters:
                delete_letter(deployed, letter)
    discarded = 0 if dry_run else len(letters)
    if json:
        print_json({**build_letters(letters, {}, stack), "discarded": discarded})
    else:
        print_text("Nothing was deleted." if dry_run else f"Deleted: {pluralize(discarded, 'dead letter')}.")


def replay_all(stack: Stack, per_second: float) -> int:
    """Replays every dead letter, by SQS's own move task if it has one. How many were moved."""
    if start_move_task(stack, per_second) is not None:
        return await_move_task(stack)
    with hold_dead_letters(stack) as letters:
        _replay(stack, letters, per_second)
        return len(letters)


def _replay(stack: Stack, letters: Sequence[DeadLetter], per_second: float) -> None:
    with show_progress("Replaying", len(letters)) as steps:
        for _ in replay_letters(stack, letters, per_second):
            steps.advance()
