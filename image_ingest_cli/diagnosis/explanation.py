"""Everything known about one upload or record, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from image_ingest.errors import CATALOGUE
from image_ingest.ledger import Item, same_upload
from image_ingest.outcome import Outcome
from image_ingest.target import Target
from image_ingest.upload import Removal, Upload, UploadIdentity
from image_ingest_cli.aws.dead_letters import DeadLetter, read_dead_letters
from image_ingest_cli.aws.ledger import KEPT, find_removal, newest_attempt, public_view
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.diagnosis.inspector import load_inspector
from image_ingest_cli.diagnosis.item_text import describe_item
from image_ingest_cli.diagnosis.prediction import Inspection
from image_ingest_cli.terminal.records import describe_target

_SECRET_STEPS = (
    "The upload waits for the SuperOffice credential: image-ingest secret put",
    "Once the secret is valid, the upload is stored automatically.",
)
_UP_TO_DATE = "Nothing. SuperOffice has this picture or a newer one."
_SETTLED: Mapping[Outcome, str] = {
    "duplicate": _UP_TO_DATE,
    "superseded": _UP_TO_DATE,
    "unchanged": _UP_TO_DATE,
    "removed": "Nothing. The picture was removed, because the object was deleted.",
    "kept": f"Nothing, if that picture is right. {KEPT} To replace it, delete it in SuperOffice, then use resend.",
}


@dataclass(frozen=True)
class Explanation:
    """The record's ledger item, what an inspection of the upload found, and the dead letter."""

    target: Target | None
    item: Item
    inspection: Inspection | None
    letter: DeadLetter | None


def explain_upload(stack: Stack, upload: Upload) -> Explanation:
    """What is known about an object's upload."""
    letters = [
        one
        for one in read_dead_letters(stack)
        if one.request and (one.request.bucket, one.key) == (upload.bucket, upload.key)
    ]
    letter = _pick_newest(letters, upload.version_id)
    inspection = load_inspector()(stack, letter.request if letter and letter.request else upload)
    return Explanation(inspection.target, inspection.item, inspection, letter)


def explain_record(stack: Stack, target: Target) -> Explanation:
    """What is known about the record's newest dead letter or, without one, its newest attempt."""
    item = stack.table.read(target)
    letter = _pick_newest([one for one in read_dead_letters(stack) if one.target == target], None)
    identity = newest_attempt(item)
    request = letter.request if letter else None
    if request is None and identity is not None:
        request = _rebuild_request(identity)
    return Explanation(target, item, load_inspector()(stack, request) if request else None, letter)


def build_sections(explanation: Explanation) -> list[tuple[str, list[str]]]:
    """Titles and their lines, for the screen."""
    inspection, target = explanation.inspection, explanation.target
    prediction = str(inspection.prediction) if inspection else "There is no upload."
    return [
        ("Object", _describe_object(inspection)),
        ("Record", [describe_target(target) if target else "It names no record."]),
        ("Checks", _describe_checks(inspection)),
        ("Ledger", describe_item(explanation.item)),
        ("Dead letter", _describe_letter(explanation.letter)),
        ("If redelivered now", [prediction]),
        ("What to do", find_next_steps(explanation)),
    ]


def build_document(explanation: Explanation) -> dict[str, Any]:
    """The same for other programs."""
    inspection, letter = explanation.inspection, explanation.letter
    picture = inspection.picture if inspection else None
    return {
        "object": {**vars(inspection.obj)} if inspection and inspection.obj else None,
        "target": str(explanation.target) if explanation.target else None,
        "picture": {k: v for k, v in vars(picture).items() if k != "data"} if picture else None,
        "ledger": public_view(explanation.item) if explanation.item else None,
        "dead_letter": _build_letter(letter) if letter else None,
        "prediction": vars(inspection.prediction) if inspection else None,
        "next": find_next_steps(explanation),
    }


def find_next_steps(explanation: Explanation) -> list[str]:
    """What the operator should do."""
    if explanation.inspection is None:
        return ["Upload a photo for it: image-ingest upload FILE --entity … --id …"]
    prediction, letter = explanation.inspection.prediction, explanation.letter
    advice = [CATALOGUE[prediction.code].advice] if prediction.code in CATALOGUE else []
    if letter is not None:
        is_done = _is_removed(explanation)
        return [*advice, *_find_steps_for_letter("superseded" if is_done else prediction.outcome, letter)]
    if prediction.outcome in {"stored", "removed"} and not _is_removed(explanation):
        return _find_steps_to_change(explanation, explanation.inspection)
    if prediction.code == "credentials.invalid":
        return list(_SECRET_STEPS)
    return advice or [_SETTLED.get(prediction.outcome, "Upload the photo again.")]


def _find_steps_for_letter(outcome: Outcome, letter: DeadLetter) -> list[str]:
    if outcome in {"stored", "removed"}:
        return [f"Replay it: image-ingest failures replay {letter.id[:8]}"]
    if outcome in {"rejected", "deferred"}:
        return [f"Then replay it: image-ingest failures replay {letter.id[:8]} (or failures discard)"]
    return [f"It is safe to discard it: image-ingest failures discard {letter.id[:8]}"]


def _find_steps_to_change(explanation: Explanation, inspection: Inspection) -> list[str]:
    attempt, target = newest_attempt(explanation.item), explanation.target
    is_same = attempt is not None and inspection.identity is not None and same_upload(inspection.identity, attempt)
    if is_same and explanation.item.get("status") in {"deferred", "in_progress"}:
        return ["Wait. It is in progress and is retried automatically."]
    if isinstance(inspection.request, Removal):
        record = describe_target(target) if target else "ENTITY ID"
        return [f"No delivery of it is known. Remove the picture: image-ingest remove {record}"]
    key = shlex.quote(inspection.request.key)
    return [f"No delivery of it is known. Enqueue it again: image-ingest resend --prefix {key}"]


def _is_removed(explanation: Explanation) -> bool:
    """Whether this very removal was carried out."""
    removal, inspection = find_removal(explanation.item), explanation.inspection
    if removal is None or inspection is None or inspection.identity is None:
        return False
    return same_upload(inspection.identity, removal)


def _pick_newest(letters: Sequence[DeadLetter], version_id: str | None) -> DeadLetter | None:
    same = [one for one in letters if version_id is None or (one.request and one.request.version_id == version_id)]
    return same[-1] if same else None


def _rebuild_request(identity: UploadIdentity) -> Upload | Removal:
    if identity.is_removal:
        return Removal(identity.bucket, identity.key, identity.version_id, identity.sequencer, identity.time)
    return Upload(identity.bucket, identity.key, identity.version_id, identity.sequencer, identity.time, identity.etag)


def _describe_object(inspection: Inspection | None) -> list[str]:
    if inspection is None:
        return ["No upload for this record is known."]
    request, obj = inspection.request, inspection.obj
    name = f"s3://{request.bucket}/{request.key}"
    if isinstance(request, Removal):
        return [f"{name} was deleted at {request.event_time or 'an unknown time'}."]
    if obj is None:
        return [f"{name} does not exist. {inspection.prediction.message}"]
    metadata = ", ".join(f"{name}={value}" for name, value in sorted(obj.metadata.items())) or "none"
    version = f", version {obj.version_id}" if obj.version_id else ""
    return [
        f"s3://{obj.bucket}/{obj.key}{version}",
        f"{obj.size} bytes, last modified {obj.last_modified}",
        f"Metadata: {metadata}",
    ]


def _describe_checks(inspection: Inspection | None) -> list[str]:
    if inspection is None or inspection.obj is None:
        return ["There are no bytes to check."]
    picture = inspection.picture
    if picture is not None:
        size = f"{picture.width}x{picture.height}, {len(picture.data)} bytes"
        return [f"{picture.source_format} is readable and becomes {picture.content_type}, {size}."]
    code = inspection.prediction.code or ""
    if code.startswith(("image.", "object.", "target.")):
        return [f"Refused: {inspection.prediction.message}"]
    return ["Bytes not checked: the upload is already settled."]


def _describe_letter(letter: DeadLetter | None) -> list[str]:
    if letter is None:
        return ["There is none."]
    reason = ": ".join(filter(None, [letter.code or "no reason, because the worker died", letter.message]))
    attempts = "1 attempt" if letter.attempts == 1 else f"{letter.attempts or 'an unknown number of'} attempts"
    return [f"{letter.id}, {letter.sent_at}, after {attempts}", reason]


def _build_letter(letter: DeadLetter) -> dict[str, Any]:
    return {"id": letter.id, "code": letter.code, "message": letter.message, "attempts": letter.attempts}
