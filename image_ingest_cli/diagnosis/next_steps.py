"""What an operator should do about an upload."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from image_ingest.errors import CATALOGUE
from image_ingest.ledger import same_upload
from image_ingest.outcome import Outcome
from image_ingest.upload import Removal
from image_ingest_cli.aws.dead_letters import DeadLetter
from image_ingest_cli.aws.ledger import KEPT, find_removal, read_attempt
from image_ingest_cli.diagnosis.explanation import Explanation
from image_ingest_cli.diagnosis.prediction import Inspection
from image_ingest_cli.terminal.options import format_stack_option
from image_ingest_cli.terminal.records import describe_target

_UP_TO_DATE = "Nothing. SuperOffice has this picture or a newer one."
_SETTLED: Mapping[Outcome, str] = {
    "duplicate": _UP_TO_DATE,
    "superseded": _UP_TO_DATE,
    "unchanged": _UP_TO_DATE,
    "removed": "Nothing. The picture was removed, because the object was deleted.",
    "kept": f"Nothing, if that picture is right. {KEPT} To replace it, delete it in SuperOffice, then use resend.",
}


def find_next_steps(explanation: Explanation) -> list[str]:
    """What the operator should do."""
    if explanation.inspection is None:
        return [_suggest_upload(explanation)]
    prediction, letter = explanation.inspection.prediction, explanation.letter
    advice = [CATALOGUE[prediction.code].advice] if prediction.code in CATALOGUE else []
    if letter is not None:
        is_done = _is_removed(explanation)
        return [*advice, *_find_steps_for_letter(explanation, "superseded" if is_done else prediction.outcome, letter)]
    if prediction.outcome in {"stored", "removed"} and not _is_removed(explanation):
        return _find_steps_to_change(explanation, explanation.inspection)
    if prediction.code == "credentials.invalid":
        return [
            f"The upload waits for the SuperOffice credential: {_write_command(explanation, 'secret put')}",
            "Once the secret is valid, the upload is stored automatically.",
        ]
    return advice or [_SETTLED.get(prediction.outcome, "Upload the photo again.")]


def _suggest_upload(explanation: Explanation) -> str:
    target = explanation.target
    options = f"--entity {target.entity_type} --id {target.entity_id}" if target else "--entity … --id …"
    return f"Upload a photo for it: {_write_command(explanation, f'upload FILE {options}')}"


def _find_steps_for_letter(explanation: Explanation, outcome: Outcome, letter: DeadLetter) -> list[str]:
    replay = _write_command(explanation, f"failures replay {letter.id[:8]}")
    if outcome in {"stored", "removed"}:
        return [f"Replay it: {replay}"]
    if outcome in {"rejected", "deferred"}:
        return [f"Then replay it: {replay} (or failures discard)"]
    discard = _write_command(explanation, f"failures discard {letter.id[:8]}")
    return [f"It is safe to discard it: {discard}"]


def _find_steps_to_change(explanation: Explanation, inspection: Inspection) -> list[str]:
    attempt, target = read_attempt(explanation.item), explanation.target
    is_same = attempt is not None and inspection.identity is not None and same_upload(inspection.identity, attempt)
    if is_same and explanation.item.get("status") in {"deferred", "in_progress"}:
        return ["Wait. It is in progress and is retried automatically."]
    if isinstance(inspection.request, Removal):
        record = describe_target(target) if target else "ENTITY ID"
        remove = _write_command(explanation, f"remove {record}")
        return [f"No delivery of it is known. Remove the picture: {remove}"]
    resend = _write_command(explanation, f"resend --prefix {shlex.quote(inspection.request.key)}")
    return [f"No delivery of it is known. Enqueue it again: {resend}"]


def _is_removed(explanation: Explanation) -> bool:
    """Whether this very removal was carried out."""
    removal, inspection = find_removal(explanation.item), explanation.inspection
    if removal is None or inspection is None or inspection.identity is None:
        return False
    return same_upload(inspection.identity, removal)


def _write_command(explanation: Explanation, arguments: str) -> str:
    """The command as the operator types it for this stack."""
    return f"image-ingest {arguments}{format_stack_option(explanation.stack_name)}"
