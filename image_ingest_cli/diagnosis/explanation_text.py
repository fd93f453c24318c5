"""An explanation as sections for the screen and as JSON."""

from __future__ import annotations

from typing import Any

from image_ingest.upload import Removal
from image_ingest_cli.aws.dead_letters import DeadLetter
from image_ingest_cli.aws.ledger import build_public_view
from image_ingest_cli.diagnosis.explanation import Explanation
from image_ingest_cli.diagnosis.item_text import describe_item
from image_ingest_cli.diagnosis.next_steps import find_next_steps
from image_ingest_cli.diagnosis.prediction import Inspection
from image_ingest_cli.terminal.records import describe_target


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
        "ledger": build_public_view(explanation.item) if explanation.item else None,
        "dead_letter": _build_letter(letter) if letter else None,
        "prediction": vars(inspection.prediction) if inspection else None,
        "next": find_next_steps(explanation),
    }


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
