"""`image-ingest failures`: what waits in the dead-letter queue, why, and what a replay would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

import typer

from image_ingest.errors import CATALOGUE, CatalogueEntry
from image_ingest.events import Unrecognised, Upload, unrecognised
from image_ingest.ledger.order import order
from image_ingest.target import Target
from image_ingest_cli.aws.dead_letters import (
    DIED,
    DeadLetter,
    await_move,
    delete,
    elsewhere,
    held,
    send_back,
    start_move,
)
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.errors import Trouble, misuse
from image_ingest_cli.inspector import inspector
from image_ingest_cli.prediction import Inspection, Prediction
from image_ingest_cli.terminal import console
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, DryRun, StackName, Yes, confirm

failures = typer.Typer(no_args_is_help=True, help="Uploads that failed for good: list, understand, replay, discard.")

_DIED = CatalogueEntry(
    "reject",
    "The queue itself moved it, so nobody wrote a reason: the worker died or was cut off each time.",
    "Look at its prediction, raise the function's memory if the picture is large, then replay.",
)
_RANK = ("rejected", "deferred", "ignored", "superseded", "duplicate", "unchanged", "stored")

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Dead letters, by the beginning of their ids.")]
Code = Annotated[str | None, typer.Option("--code", help="Those with this error code.")]
Key = Annotated[str | None, typer.Option("--key", help="Those whose object has this key; * stands for anything.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter.")]


@dataclass(frozen=True)
class Choice:
    """Which dead letters the operator means."""

    ids: Sequence[str] = ()
    code: str | None = None
    key: str | None = None
    all: bool = False

    def check(self) -> None:
        """Raises Trouble where nothing is chosen, so that nothing happens to everything by accident."""
        if not (self.ids or self.code or self.key or self.all):
            raise misuse("Say which dead letters: their ids, --code, --key or --all.")

    @property
    def whole(self) -> bool:
        """Whether really all are meant."""
        return self.all and not (self.ids or self.code or self.key)

    def of(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """The chosen ones. Raises Trouble where an id fits none or several."""
        for wanted in self.ids:
            fitting = [letter for letter in letters if letter.id.startswith(wanted)]
            if len(fitting) != 1:
                raise Trouble(f"{len(fitting)} dead letters have an id that begins with {wanted}.")
        return [letter for letter in letters if self._fits(letter)]

    def _fits(self, letter: DeadLetter) -> bool:
        return (
            (not self.ids or letter.id.startswith(tuple(self.ids)))
            and self.code in {None, letter.code or DIED}
            and (self.key is None or fnmatchcase(letter.key or "", self.key))
        )


@failures.command("list")
def list_(
    *,
    code: Code = None,
    key: Key = None,
    predict: Annotated[bool, typer.Option(help="Say what a replay would do now; takes a moment for each.")] = True,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """List the dead letters by reason, with advice and what a replay would do.

    Reading takes nothing from the queue.
    """
    target_stack = Stack(stack)
    busy = elsewhere(target_stack)
    with held(target_stack) as every:
        letters = Choice(code=code, key=key).of(every)
        predictions = foresee(target_stack, letters) if predict else {}
    if busy:
        console.note(f"About {busy} more are being read elsewhere; look again in some minutes.")
    if json:
        console.say_json(_document(letters, predictions))
        return
    _show(letters, predictions)


@failures.command()
def show(
    message_id: Annotated[str, typer.Argument(metavar="ID", help="The beginning of its id.")],
    *,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Show one dead letter whole, with its message as it came."""
    target_stack = Stack(stack)
    with held(target_stack) as every:
        (letter,) = Choice(ids=[message_id]).of(every)
        prediction = foresee(target_stack, [letter]).get(letter.id)
    row = _row(letter, prediction)
    if json:
        console.say_json({**row, "body": letter.body})
        return
    entry = _entry(letter.code)
    facts = {**row, "meaning": entry.meaning, "advice": entry.advice, "prediction": prediction, "body": letter.body}
    for name, value in facts.items():
        if value is not None:
            console.say(f"{name.replace('_', ' ')}: {value}")


@failures.command()
def replay(
    ids: Ids = None,
    *,
    code: Code = None,
    key: Key = None,
    all_: All = False,
    per_second: Annotated[float, typer.Option(min=0.1, max=500, help="How fast at most.")] = 10,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Send dead letters back to the ingest queue, after saying what that would do.

    Examples:

    \b
        image-ingest failures replay --code superoffice.forbidden --dry-run
        image-ingest failures replay --all --yes
    """
    target_stack = Stack(stack)
    choice = Choice(ids or (), code, key, all_)
    choice.check()
    with held(target_stack) as every:
        letters = choice.of(every)
        predictions = foresee(target_stack, letters)
        if not json:
            _show(letters, predictions)
        if letters and not dry_run:
            confirm(f"Replay {console.many(len(letters), 'dead letter')}?", yes=yes)
        if not (dry_run or choice.whole):
            _send_back(target_stack, letters, per_second)
    replayed = 0 if dry_run else len(letters)
    if choice.whole and replayed:
        replayed = _move_all(target_stack, per_second)
    if json:
        console.say_json({**_document(letters, predictions), "replayed": replayed})
    else:
        console.say("Nothing was sent." if dry_run else f"Sent back: {console.many(replayed, 'dead letter')}.")


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
    """Delete dead letters for good; their objects stay in the bucket."""
    target_stack = Stack(stack)
    choice = Choice(ids or (), code, key, all_)
    choice.check()
    with held(target_stack) as every:
        letters = choice.of(every)
        if not json:
            _show(letters, {})
        if letters and not dry_run:
            confirm(f"Delete {console.many(len(letters), 'dead letter')} for good?", yes=yes)
            for letter in letters:
                delete(target_stack, letter)
    discarded = 0 if dry_run else len(letters)
    if json:
        console.say_json({**_document(letters, {}), "discarded": discarded})
    else:
        console.say(f"Deleted: {console.many(discarded, 'dead letter')}.")


def foresee(stack: Stack, letters: Sequence[DeadLetter]) -> dict[str, Prediction]:
    """What a replay of all of these would do now, by message id; nothing where this machine cannot tell."""
    try:
        inspect = inspector()
    except Trouble as trouble:
        console.note(f"Without predictions: {trouble}", "yellow")
        return {}
    inspections: dict[str, list[Inspection]] = {}
    with console.progress("Looking into each", len(letters)) as steps:
        for letter in letters:
            past_picture = (letter.code or "").startswith("superoffice.")
            uploads = [notice for notice in letter.notices if isinstance(notice, Upload)]
            inspections[letter.id] = [inspect(stack, upload, past_picture=past_picture) for upload in uploads]
            steps.done()
    stored: dict[Target | None, list[Inspection]] = {}
    for inspection in (one for found in inspections.values() for one in found):
        if inspection.prediction.outcome == "stored":
            stored.setdefault(inspection.target, []).append(inspection)
    return {letter.id: _combined(letter, inspections[letter.id], stored) for letter in letters}


def _combined(
    letter: DeadLetter, inspections: Sequence[Inspection], stored: dict[Target | None, list[Inspection]]
) -> Prediction:
    """The worst of what its records would end as."""
    predictions = [_among(inspection, stored.get(inspection.target, ())) for inspection in inspections]
    if any(isinstance(notice, Unrecognised) for notice in letter.notices):
        refusal = unrecognised()
        predictions.append(Prediction("rejected", refusal.code, refusal.message))
    if not predictions:
        return Prediction("ignored")
    return min(predictions, key=lambda prediction: _RANK.index(prediction.outcome))


def _among(inspection: Inspection, stored: Sequence[Inspection]) -> Prediction:
    """The prediction, unless another of these replays is newer for the same target and would be stored too."""
    if inspection.prediction.outcome == "stored" and any(_is_newer(other, inspection) for other in stored):
        return Prediction("superseded", message="A newer dead letter for this target would be stored.")
    return inspection.prediction


def _is_newer(other: Inspection, inspection: Inspection) -> bool:
    return bool(other.mark and inspection.mark and order(other.mark, inspection.mark) == "newer")


def _send_back(stack: Stack, letters: Sequence[DeadLetter], per_second: float) -> None:
    with console.progress("Replaying", len(letters)) as steps:
        for _ in send_back(stack, letters, per_second):
            steps.done()


def _move_all(stack: Stack, per_second: float) -> int:
    """A full redrive: SQS's own where it has one. By now every dead letter is visible again."""
    if start_move(stack, per_second) is not None:
        return await_move(stack)
    with held(stack) as letters:
        _send_back(stack, letters, per_second)
        return len(letters)


def _show(letters: Sequence[DeadLetter], predictions: dict[str, Prediction]) -> None:
    if not letters:
        console.say("There are no dead letters.")
    for code, count in sorted(Counter(letter.code or DIED for letter in letters).items()):
        entry = _entry(None if code == DIED else code)
        console.say(f"{code}: {count}", "bold")
        console.say(f"  {entry.meaning}\n  → {entry.advice}")
        columns = ["id", "for", "key", "since", *(["a replay would be"] if predictions else [])]
        console.say_table(columns, [_line(one, predictions) for one in letters if (one.code or DIED) == code])


def _line(letter: DeadLetter, predictions: dict[str, Prediction]) -> list[Any]:
    target = f"{letter.target.entity_type} {letter.target.entity_id}" if letter.target else "?"
    shown = [letter.id[:8], target, letter.key or "(no upload)", letter.sent_at]
    return [*shown, predictions[letter.id]] if predictions else shown


def _document(letters: Sequence[DeadLetter], predictions: dict[str, Prediction]) -> dict[str, Any]:
    counts = Counter(letter.code for letter in letters)
    groups = [
        {"code": code, "count": count, "meaning": _entry(code).meaning, "advice": _entry(code).advice}
        for code, count in counts.items()
    ]
    return {"groups": groups, "dead_letters": [_row(letter, predictions.get(letter.id)) for letter in letters]}


def _row(letter: DeadLetter, prediction: Prediction | None) -> dict[str, Any]:
    upload, target = letter.upload, letter.target
    return {
        "id": letter.id,
        "code": letter.code,
        "message": letter.message,
        "attempts": letter.attempts,
        "entity_type": target.entity_type if target else None,
        "entity_id": target.entity_id if target else None,
        "bucket": upload.bucket if upload else None,
        "key": upload.key if upload else None,
        "version_id": upload.version_id if upload else None,
        "sent_at": letter.sent_at,
        "prediction": vars(prediction) if prediction else None,
    }


def _entry(code: str | None) -> CatalogueEntry:
    unknown = CatalogueEntry("reject", "This version does not know the code.", "Update the command line.")
    return _DIED if code is None else CATALOGUE.get(code, unknown)
