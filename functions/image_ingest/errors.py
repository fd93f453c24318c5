"""Every way an upload can fail, once.

IngestError             carries a code of the catalogue and a message for an operator
├── Rejected            will never work: dead-lettered at once
└── Deferred            may work later: retried, dead-lettered only after MAX_ATTEMPTS
IngestDeferred          tells the caller of a direct invocation that something was deferred
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Disposition = Literal["reject", "defer"]

MESSAGE_LIMIT = 1000  # characters; what an operator can read, and well within SQS and DynamoDB limits


@dataclass(frozen=True)
class CatalogueEntry:
    """One error code: where the upload goes, what the code means, and what an operator does about it."""

    disposition: Disposition
    meaning: str
    advice: str


def _reject(meaning: str, advice: str) -> CatalogueEntry:
    return CatalogueEntry("reject", meaning, advice)


def _defer(meaning: str, advice: str) -> CatalogueEntry:
    return CatalogueEntry("defer", meaning, advice)


CATALOGUE: dict[str, CatalogueEntry] = {
    "event.unrecognised": _reject(
        "The message is not an upload event that this function knows.",
        "Find out who sends such messages to the ingest queue, then discard this one.",
    ),
    "target.missing": _reject(
        "Nothing says whose picture this is.",
        "Upload again with the metadata entity-type and entity-id, or set TARGET_KEY_PATTERN.",
    ),
    "target.unknown-entity-type": _reject(
        "The entity type is not person, project, contact or product.",
        "Upload again with one of these four as entity-type.",
    ),
    "target.invalid-id": _reject(
        "The entity id is not a whole number from 1 to 2147483647.",
        "Upload again with the record's SuperOffice id as entity-id.",
    ),
    "object.too-large": _reject(
        "The object has more bytes than IMAGE_MAX_SOURCE_BYTES, or than the function's memory has room for.",
        "Upload a smaller file, or raise what the message names and replay: the limit, or the function's memory.",
    ),
    "object.empty": _reject("The object has no bytes.", "Upload the file again; the transfer was probably cut off."),
    "object.archived": _reject(
        "The object is in an archive storage class and cannot be read.",
        "Restore it in S3, then replay, or upload it again.",
    ),
    "image.unsupported-format": _reject(
        "The bytes are no JPEG, PNG, GIF, TIFF, WebP, BMP, AVIF or HEIC picture.",
        "Upload the picture in one of these formats.",
    ),
    "image.unreadable": _reject(
        "The picture is damaged and cannot be decoded.",
        "Open it on a computer; if it opens there, save it anew and upload that.",
    ),
    "image.too-many-pixels": _reject(
        "Decoding the picture would take too many pixels, frames, scans or too much memory.",
        "Upload a smaller version, or raise IMAGE_MAX_SOURCE_PIXELS or the function's memory and replay.",
    ),
    "superoffice.bad-request": _reject(
        "SuperOffice refused the request.",
        "Read SuperOffice's message. For a person this may mean that there is no such person.",
    ),
    "superoffice.not-found": _reject(
        "SuperOffice has no such record.",
        "Check the id in SuperOffice (an associate id is not a person id), then upload with the right one.",
    ),
    "superoffice.forbidden": _reject(
        "The credential lacks the right to change this record.",
        "Give its SuperOffice user the right, then replay.",
    ),
    "worker.crashed": _reject(
        "This upload killed the worker several times.",
        "Try the picture saved anew and smaller; if it is an ordinary photo, report it with its format and size.",
    ),
    "superoffice.unauthorized": _defer(
        "SuperOffice does not accept the credential, even a fresh one.",
        "Put a valid credential into the secret; under system_user check the app's approval and licence.",
    ),
    "superoffice.rate-limited": _defer(
        "SuperOffice asks for fewer calls.",
        "Wait; if it stays, lower SUPEROFFICE_CALLS_PER_SECOND.",
    ),
    "superoffice.unavailable": _defer(
        "SuperOffice does not answer, or says it cannot now.",
        "Wait; if it stays, check SuperOffice's status and the network between it and the function.",
    ),
    "superoffice.unexpected-answer": _defer(
        "What answered does not sound like SuperOffice's API.",
        "Check base_url, and any proxy or web application firewall in between.",
    ),
    "superoffice.misdirected": _defer(
        "The tenant is not at the address that SuperOffice names.",
        "Wait until the tenant's move is done; if it stays, ask SuperOffice support.",
    ),
    "credentials.invalid": _defer(
        "The secret is missing or malformed, or the login service refuses it.",
        "Correct the secret; waiting uploads then go on by themselves.",
    ),
    "target.busy": _defer(
        "Another worker is storing a picture for the same target.", "Nothing; it is tried again by itself."
    ),
    "aws.unavailable": _defer("An AWS service does not answer, or throttles.", "Wait; if it stays, check AWS health."),
    "aws.denied": _defer(
        "AWS denies the function something: a grant or a key policy is missing.",
        "Deploy the template's role unchanged; with an own KMS key, allow the function to use it.",
    ),
    "worker.out-of-time": _defer(
        "The invocation's time ran out.",
        "Nothing; it is tried again. If it stays, give the function more memory or time.",
    ),
    "worker.failed": _defer(
        "An error in the function itself.", "Report it with the log entry of this upload; replay after an update."
    ),
}


class IngestError(Exception):
    """An upload failed, with a code of the catalogue."""

    disposition: Disposition

    def __init__(self, code: str, message: str) -> None:
        assert CATALOGUE[code].disposition == self.disposition, code
        super().__init__(message[:MESSAGE_LIMIT])
        self.code = code

    @property
    def message(self) -> str:
        """What went wrong, for an operator; never a secret or a person's data."""
        return str(self)


class Rejected(IngestError):
    """This upload will never work."""

    disposition = "reject"


class Deferred(IngestError):
    """This upload may work later.

    `retry_after`: seconds before which another attempt is pointless, if the other side said so.
    `in_doubt`: the PUT may still arrive, so the target must stay claimed until the lease ends.
    """

    disposition = "defer"

    def __init__(self, code: str, message: str, *, retry_after: float | None = None, in_doubt: bool = False) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after
        self.in_doubt = in_doubt


class IngestDeferred(Exception):
    """Raised at the end of a direct invocation in which uploads were deferred: invoke again."""
