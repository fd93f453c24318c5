"""`image-ingest explain`: the whole story of one upload, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from image_ingest.errors import CATALOGUE
from image_ingest.events import Upload
from image_ingest.ledger.order import Mark, same_upload
from image_ingest.ledger.table import Item
from image_ingest.target import Target
from image_ingest_cli.aws.dead_letters import DeadLetter, held
from image_ingest_cli.aws.ledger import attempt_of, public
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.commands.status import in_words
from image_ingest_cli.errors import misuse
from image_ingest_cli.inspector import inspector
from image_ingest_cli.prediction import Inspection
from image_ingest_cli.terminal import console
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, StackName
from image_ingest_cli.terminal.targets import named_target


@dataclass(frozen=True)
class Story:
    """What is known: of the record, its item; of the upload, what an inspection found; and its dead letter."""

    target: Target | None
    item: Item
    inspection: Inspection | None
    letter: DeadLetter | None


def explain(
    what: Annotated[
        list[str], typer.Argument(metavar="WHAT", help="An upload, s3://BUCKET/KEY, or a record: person 123.")
    ],
    *,
    version_id: Annotated[str | None, typer.Option(help="This version of the object instead of the newest.")] = None,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Tell the whole story of an upload: object, target, checks on its bytes, ledger, dead letter, and what to do.

    Examples:

    \b
        image-ingest explain person 123
        image-ingest explain s3://BUCKET/person/123.jpg
    """
    target_stack = Stack(stack)
    if len(what) == 1 and what[0].startswith("s3://"):
        bucket, _, key = what[0].removeprefix("s3://").partition("/")
        if not key:
            raise misuse("An object is named by s3://BUCKET/KEY.")
        story = _of_upload(target_stack, Upload(bucket, key, version_id))
    elif len(what) == 2:
        story = _of_record(target_stack, named_target(*what))
    else:
        raise misuse("Name an object, s3://BUCKET/KEY, or a record, such as person 123.")
    if json:
        console.say_json(_document(story))
        return
    for title, lines in _chapters(story):
        console.say(title, "bold")
        for line in lines:
            console.say(f"  {line}")


def _of_upload(stack: Stack, upload: Upload) -> Story:
    letter = _newest(
        [one for one in _letters(stack) if one.upload and (one.upload.bucket, one.key) == (upload.bucket, upload.key)],
        upload.version_id,
    )
    inspection = inspector()(stack, letter.upload if letter and letter.upload else upload)
    return Story(inspection.target, inspection.item, inspection, letter)


def _of_record(stack: Stack, target: Target) -> Story:
    """The record's newest attempt or, where the ledger knows none, its newest dead letter."""
    item = stack.table.read(target)
    letter = _newest([one for one in _letters(stack) if one.target == target], None)
    mark = attempt_of(item)
    if letter and letter.upload:
        upload: Upload | None = letter.upload
    else:
        upload = _upload(mark) if mark else None
    return Story(target, item, inspector()(stack, upload) if upload else None, letter)


def _letters(stack: Stack) -> list[DeadLetter]:
    with held(stack) as letters:
        return letters


def _newest(letters: Sequence[DeadLetter], version_id: str | None) -> DeadLetter | None:
    fitting = [one for one in letters if version_id is None or (one.upload and one.upload.version_id == version_id)]
    return fitting[-1] if fitting else None


def _upload(mark: Mark) -> Upload:
    return Upload(mark.bucket, mark.key, mark.version_id, mark.sequencer, mark.time, mark.etag)


def _chapters(story: Story) -> list[tuple[str, list[str]]]:
    return [
        ("Object", _object(story.inspection)),
        ("Record", [f"{story.target.entity_type} {story.target.entity_id}" if story.target else "It names no record."]),
        ("Checks", _checks(story.inspection)),
        ("Ledger", in_words(story.item)),
        ("Dead letter", _dead_letter(story.letter)),
        ("If it was delivered now", [str(story.inspection.prediction) if story.inspection else "There is no upload."]),
        ("What to do", next_steps(story)),
    ]


def _object(inspection: Inspection | None) -> list[str]:
    if inspection is None:
        return ["No upload for this record is known."]
    upload, obj = inspection.upload, inspection.obj
    if obj is None:
        return [f"s3://{upload.bucket}/{upload.key} is not there. {inspection.prediction.message}"]
    metadata = ", ".join(f"{name}={value}" for name, value in sorted(obj.metadata.items())) or "none"
    version = f", version {obj.version_id}" if obj.version_id else ""
    return [
        f"s3://{obj.bucket}/{obj.key}{version}",
        f"{obj.size} bytes, of {obj.last_modified}",
        f"metadata: {metadata}",
    ]


def _checks(inspection: Inspection | None) -> list[str]:
    if inspection is None or inspection.obj is None:
        return ["There are no bytes to check."]
    picture = inspection.picture
    if picture is not None:
        size = f"{picture.width}x{picture.height}, {len(picture.data)} bytes"
        return [f"{picture.source_format} is read, and becomes {picture.content_type}, {size}."]
    code = inspection.prediction.code or ""
    if code.startswith(("image.", "object.", "target.")):
        return [f"Refused: {inspection.prediction.message}"]
    return ["The bytes were not looked at: the upload is settled before."]


def _dead_letter(letter: DeadLetter | None) -> list[str]:
    if letter is None:
        return ["There is none."]
    why = ": ".join(filter(None, [letter.code or "no reason, as the worker died", letter.message]))
    attempts = "1 attempt" if letter.attempts == 1 else f"{letter.attempts or 'unknown'} attempts"
    return [f"{letter.id} of {letter.sent_at}, after {attempts}", why]


def next_steps(story: Story) -> list[str]:
    """What the operator should do."""
    if story.inspection is None:
        return ["Upload a photo for it: image-ingest upload FILE --entity … --id …"]
    prediction, letter = story.inspection.prediction, story.letter
    advice = [CATALOGUE[prediction.code].advice] if prediction.code in CATALOGUE else []
    if letter is not None:
        return [*advice, *_with_letter(prediction.outcome, letter)]
    if prediction.outcome in {"duplicate", "superseded", "unchanged"}:
        return ["Nothing: SuperOffice has this picture or a newer one."]
    if prediction.outcome == "stored" and not _under_way(story):
        key = shlex.quote(story.inspection.upload.key)
        return [f"Nothing is known of a delivery; send it again: image-ingest resend --prefix {key}"]
    if prediction.outcome == "stored":
        return ["Wait: it is on its way and is tried again by itself."]
    return advice or ["Upload the photo again."]


def _with_letter(outcome: str, letter: DeadLetter) -> list[str]:
    if outcome == "stored":
        return [f"Replay it: image-ingest failures replay {letter.id[:8]}"]
    if outcome in {"rejected", "deferred"}:
        return [f"When that is done: image-ingest failures replay {letter.id[:8]} (or failures discard)"]
    return [f"Nothing is lost by discarding it: image-ingest failures discard {letter.id[:8]}"]


def _under_way(story: Story) -> bool:
    """Whether the ledger says that this very upload is still being tried."""
    attempt, inspection = attempt_of(story.item), story.inspection
    if attempt is None or inspection is None or inspection.mark is None:
        return False
    return story.item.get("status") in {"deferred", "in_progress"} and same_upload(inspection.mark, attempt)


def _document(story: Story) -> dict[str, Any]:
    inspection, letter = story.inspection, story.letter
    picture = inspection.picture if inspection else None
    return {
        "object": {**vars(inspection.obj)} if inspection and inspection.obj else None,
        "target": str(story.target) if story.target else None,
        "picture": {k: v for k, v in vars(picture).items() if k != "data"} if picture else None,
        "ledger": public(story.item) if story.item else None,
        "dead_letter": {"id": letter.id, "code": letter.code, "message": letter.message} if letter else None,
        "prediction": vars(inspection.prediction) if inspection else None,
        "next": next_steps(story),
    }
