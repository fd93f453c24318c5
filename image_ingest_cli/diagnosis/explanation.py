"""Everything known about one upload or record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from image_ingest.ledger import Item
from image_ingest.target import Target
from image_ingest.upload import Removal, Upload, UploadIdentity
from image_ingest_cli.aws.dead_letters import DeadLetter, read_dead_letters
from image_ingest_cli.aws.ledger import read_attempt
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.diagnosis.inspector import load_inspector
from image_ingest_cli.diagnosis.prediction import Inspection
from image_ingest_cli.terminal.options import DEFAULT_STACK


@dataclass(frozen=True)
class Explanation:
    """The record's ledger item, what an inspection of the upload found, and the dead letter.

    `stack_bucket` is for an object that may be in another bucket.
    """

    target: Target | None
    item: Item
    inspection: Inspection | None
    letter: DeadLetter | None
    stack_name: str = DEFAULT_STACK
    stack_bucket: str | None = None


def explain_upload(stack: Stack, upload: Upload) -> Explanation:
    """What is known about an object's upload."""
    letters = [
        one
        for one in read_dead_letters(stack)
        if one.request and (one.request.bucket, one.key) == (upload.bucket, upload.key)
    ]
    letter = _pick_newest(letters, upload.version_id)
    inspection = load_inspector()(stack, letter.request if letter and letter.request else upload)
    return Explanation(inspection.target, inspection.item, inspection, letter, stack.name, stack.bucket)


def explain_record(stack: Stack, target: Target) -> Explanation:
    """What is known about the record's newest dead letter or, without one, its newest attempt."""
    item = stack.table.read(target)
    letter = _pick_newest([one for one in read_dead_letters(stack) if one.target == target], None)
    identity = read_attempt(item)
    request = letter.request if letter else None
    if request is None and identity is not None:
        request = _rebuild_request(identity)
    inspection = load_inspector()(stack, request) if request else None
    return Explanation(target, item, inspection, letter, stack.name)


def _pick_newest(letters: Sequence[DeadLetter], version_id: str | None) -> DeadLetter | None:
    same = [one for one in letters if version_id is None or (one.request and one.request.version_id == version_id)]
    return same[-1] if same else None


def _rebuild_request(identity: UploadIdentity) -> Upload | Removal:
    if identity.is_removal:
        return Removal(identity.bucket, identity.key, identity.version_id, identity.sequencer, identity.time)
    return Upload(identity.bucket, identity.key, identity.version_id, identity.sequencer, identity.time, identity.etag)
