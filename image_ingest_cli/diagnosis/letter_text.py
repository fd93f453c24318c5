"""Dead letters as tables and JSON, with the catalogue's advice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from image_ingest.errors import CATALOGUE, CatalogueEntry
from image_ingest.upload import Removal
from image_ingest_cli.aws.dead_letters import DeadLetter
from image_ingest_cli.aws.selection import NO_CODE
from image_ingest_cli.diagnosis.prediction import Prediction
from image_ingest_cli.terminal.console import print_table, print_text
from image_ingest_cli.terminal.options import UPDATE, format_stack_option
from image_ingest_cli.terminal.records import describe_target

_WORKER_DIED = CatalogueEntry(
    "reject",
    "The queue itself moved it: the worker died or was stopped each time, so no reason was recorded.",
    "Check the predicted result. If the picture is large, give the function more memory. Then replay.",
)
_UNKNOWN = CatalogueEntry("reject", "This version does not know the code.", f"Update the command line: {UPDATE}")


def find_entry(code: str | None) -> CatalogueEntry:
    """Meaning and advice of a dead letter's code."""
    return _WORKER_DIED if code is None else CATALOGUE.get(code, _UNKNOWN)


def show_letters(letters: Sequence[DeadLetter], predictions: Mapping[str, Prediction], stack_name: str) -> None:
    """Prints the letters grouped by code."""
    if not letters:
        print_text("There are no dead letters.")
    for code, count in sorted(Counter(letter.code or NO_CODE for letter in letters).items()):
        known = None if code == NO_CODE else code
        print_text(f"{code}: {count}", "bold")
        print_text("\n  → ".join([f"  {find_entry(known).meaning}", *list_advice(known, stack_name)]))
        columns = ["id", "for", "key", "since", "attempts", *(["replay result"] if predictions else [])]
        group = [letter for letter in letters if (letter.code or NO_CODE) == code]
        print_table(columns, [_show_letter(letter, predictions) for letter in group])


def list_advice(code: str | None, stack_name: str) -> list[str]:
    """What to do about dead letters with this code. Those that were deferred have been retried as often as they may."""
    entry = find_entry(code)
    if entry.disposition == "reject":
        return [entry.advice]
    replay = f"image-ingest failures replay --code {code}{format_stack_option(stack_name)}"
    return [entry.advice, f"It is not retried any more. Once the cause is gone: {replay}"]


def build_letters(
    letters: Sequence[DeadLetter], predictions: Mapping[str, Prediction], stack_name: str
) -> dict[str, Any]:
    """The letters and their groups for other programs."""
    groups = [
        {
            "code": code,
            "count": count,
            "meaning": find_entry(code).meaning,
            "advice": " ".join(list_advice(code, stack_name)),
        }
        for code, count in Counter(letter.code for letter in letters).items()
    ]
    return {"groups": groups, "dead_letters": [build_letter(letter, predictions.get(letter.id)) for letter in letters]}


def build_letter(letter: DeadLetter, prediction: Prediction | None) -> dict[str, Any]:
    """One letter for other programs."""
    request, target = letter.request, letter.target
    return {
        "id": letter.id,
        "code": letter.code,
        "message": letter.message,
        "attempts": letter.attempts,
        "request": "removal" if isinstance(request, Removal) else "upload" if request else None,
        "entity_type": target.entity_type if target else None,
        "entity_id": target.entity_id if target else None,
        "bucket": request.bucket if request else None,
        "key": request.key if request else None,
        "version_id": request.version_id if request else None,
        "sent_at": letter.sent_at,
        "prediction": vars(prediction) if prediction else None,
    }


def _describe_key(letter: DeadLetter) -> str:
    if isinstance(letter.request, Removal):
        return f"{letter.key} (deleted)"
    return letter.key or "(no upload)"


def _show_letter(letter: DeadLetter, predictions: Mapping[str, Prediction]) -> list[Any]:
    record = describe_target(letter.target) if letter.target else "?"
    row = [letter.id[:8], record, _describe_key(letter), letter.sent_at, letter.attempts or "?"]
    return [*row, predictions[letter.id]] if predictions else row
