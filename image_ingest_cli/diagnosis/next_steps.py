"""What an operator should do about an upload."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from image_ingest.errors import CATALOGUE
from image_ingest.ledger import same_upload
from image_ingest.outcome import Outcome
from image_ingest.upload import Removal
from image_ingest_cli.aws.dead_letters import DeadLetter
from image_ingest_cli.aws.errors import OWN_PERMISSION
from image_ingest_cli.aws.ledger import KEPT, find_removal, read_attempt
from image_ingest_cli.diagnosis.explanation import Explanation
from image_ingest_cli.diagnosis.prediction import Inspection
from image_ingest_cli.terminal.options import format_stack_option
from image_ingest_cli.terminal.records import describe_target

_UNDER_WAY = ("deferred", "in_progress")
_UP_TO_DATE: tuple[Outcome, ...] = ("duplicate", "superseded", "unchanged")
_UP_TO_DATE_STEP = "Nothing, if SuperOffice shows this picture or a newer one."
_SETTLED: Mapping[Outcome, str] = {
    **dict.fromkeys(_UP_TO_DATE, _UP_TO_DATE_STEP),
    "removed": "Nothing. The picture was removed, because the object was deleted.",
}
# A replay meets the same version of the object.
_NEEDS_NEW_UPLOAD = frozenset(
    {
        "target.unknown-entity-type",
        "target.invalid-id",
        "object.empty",
        "object.encrypted",
        "image.unsupported-format",
        "image.unreadable",
        "superoffice.not-found",
        "worker.crashed",
    }
)
_MAY_NEED_NEW_UPLOAD = frozenset(
    {"target.missing", "object.too-large", "object.archived", "image.too-many-pixels", "superoffice.bad-request"}
)


def find_next_steps(explanation: Explanation) -> list[str]:
    """What the operator should do."""
    if explanation.inspection is None:
        return [_suggest_upload(explanation)]
    prediction, letter = explanation.inspection.prediction, explanation.letter
    advice = _find_advice(prediction.code)
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
    if prediction.outcome == "deferred" and explanation.item.get("status") in _UNDER_WAY:
        return [*advice, "The upload is retried automatically."]
    return advice or _find_steps_for_settled(explanation, explanation.inspection)


def _find_advice(code: str | None) -> list[str]:
    if code == "aws.denied":  # to the prediction, which this command line made
        return [OWN_PERMISSION]
    return [CATALOGUE[code].advice] if code in CATALOGUE else []


def _find_steps_for_settled(explanation: Explanation, inspection: Inspection) -> list[str]:
    outcome = inspection.prediction.outcome
    if outcome == "kept":
        resend = _write_resend(explanation, inspection.request.key)
        return [
            f"Nothing, if that picture is right. {KEPT}",
            f"To replace it, delete it in SuperOffice, then: {resend}",
        ]
    if outcome in _UP_TO_DATE and explanation.target is not None and explanation.item.get("status") == "stored":
        forget = _write_command(explanation, f"forget {describe_target(explanation.target)}")
        resend = _write_resend(explanation, str(explanation.item["key"]))
        return [_UP_TO_DATE_STEP, f"If somebody deleted it there, store it again: {forget} && {resend}"]
    return [_SETTLED.get(outcome, "Upload the photo again.")]


def _suggest_upload(explanation: Explanation) -> str:
    target = explanation.target
    options = f"--entity {target.entity_type} --id {target.entity_id}" if target else "--entity … --id …"
    return f"Upload a photo for it: {_write_command(explanation, f'upload FILE {options}')}"


def _find_steps_for_letter(explanation: Explanation, outcome: Outcome, letter: DeadLetter) -> list[str]:
    replay = _write_command(explanation, f"failures replay {letter.id[:8]}")
    discard = _write_command(explanation, f"failures discard {letter.id[:8]}")
    if outcome in {"stored", "removed"}:
        return [f"Replay it: {replay}"]
    if outcome not in {"rejected", "deferred"}:
        return [f"It is safe to discard it: {discard}"]
    code = explanation.inspection.prediction.code if explanation.inspection else None
    if code in _NEEDS_NEW_UPLOAD:
        return [f"After the new upload, discard this one: {discard}"]
    if code in _MAY_NEED_NEW_UPLOAD:
        return [f"After a new upload, discard this one: {discard}", f"Without one, replay it: {replay}"]
    return [f"Then replay it: {replay}"]


def _find_steps_to_change(explanation: Explanation, inspection: Inspection) -> list[str]:
    attempt, target = read_attempt(explanation.item), explanation.target
    is_same = attempt is not None and inspection.identity is not None and same_upload(inspection.identity, attempt)
    if is_same and explanation.item.get("status") in _UNDER_WAY:
        return ["Wait. It is in progress and is retried automatically."]
    if isinstance(inspection.request, Removal):
        record = describe_target(target) if target else "ENTITY ID"
        remove = _write_command(explanation, f"remove {record}")
        return [f"No delivery of it is known. Remove the picture: {remove}"]
    if explanation.stack_bucket not in {None, inspection.request.bucket}:
        source = shlex.quote(f"s3://{inspection.request.bucket}/{inspection.request.key}")
        return [f"It is not in the stack's bucket. Copy it there: {_write_command(explanation, f'backfill {source}')}"]
    resend = _write_resend(explanation, inspection.request.key)
    return [f"No delivery of it is known. Enqueue it again: {resend}"]


def _write_resend(explanation: Explanation, key: str) -> str:
    return _write_command(explanation, f"resend --prefix {shlex.quote(key)}")


def _is_removed(explanation: Explanation) -> bool:
    """Whether this very removal was carried out."""
    removal, inspection = find_removal(explanation.item), explanation.inspection
    if removal is None or inspection is None or inspection.identity is None:
        return False
    return same_upload(inspection.identity, removal)


def _write_command(explanation: Explanation, arguments: str) -> str:
    """The command as the operator types it for this stack."""
    return f"image-ingest {arguments}{format_stack_option(explanation.stack_name)}"
