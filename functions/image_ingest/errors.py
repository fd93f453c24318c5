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
        "The message is not an event that this function knows.",
        "Find out which system sends such messages to the ingest queue, then discard this one.",
    ),
    "target.missing": _reject(
        "Neither the object's metadata nor its key names a record.",
        "Upload it again with the metadata entity-type and entity-id, or deploy with a TargetKeyPattern.",
    ),
    "target.unknown-entity-type": _reject(
        "The entity type is not person, project, contact or product.",
        "Upload it again with one of these four as entity-type.",
    ),
    "target.invalid-id": _reject(
        "The entity id is not a whole number from 1 to 2147483647.",
        "Upload it again with the record's id in SuperOffice as entity-id.",
    ),
    "object.too-large": _reject(
        "The object is larger than IMAGE_MAX_SOURCE_BYTES, or too large for the function's memory.",
        "Upload a smaller file, or deploy with a larger ImageMaxSourceBytes or MemorySize, then replay.",
    ),
    "object.empty": _reject(
        "The object is empty.",
        "Upload the file again. The transfer was probably interrupted.",
    ),
    "object.archived": _reject(
        "The object is in an archive storage class and cannot be read.",
        "Restore it in S3 and replay, or upload it again.",
    ),
    "object.encrypted": _reject(
        "The object is encrypted with the uploader's own key (SSE-C), which this function does not have.",
        "Upload it again without a key of your own. S3 encrypts it with the bucket's key.",
    ),
    "image.unsupported-format": _reject(
        "The object is not a JPEG, PNG, GIF, TIFF, WebP, BMP, AVIF or HEIC picture.",
        "Upload the picture in one of these formats.",
    ),
    "image.unreadable": _reject(
        "The picture is damaged and cannot be decoded.",
        "Open it on a computer. If it opens, re-save it and upload the new file.",
    ),
    "image.too-many-pixels": _reject(
        "The picture has too many pixels, frames or scans, or decoding it would need too much memory.",
        "Upload a smaller version, or deploy with a larger ImageMaxSourcePixels or MemorySize, then replay.",
    ),
    "superoffice.bad-request": _reject(
        "SuperOffice refused the request.",
        "Read SuperOffice's message. For a person it may mean that the person does not exist.",
    ),
    "superoffice.not-found": _reject(
        "The record does not exist in SuperOffice.",
        "Check the id in SuperOffice (an associate id is not a person id), then upload with the correct id.",
    ),
    "superoffice.forbidden": _reject(
        "The credential lacks permission to change this record.",
        "Give the credential's SuperOffice user permission, then replay.",
    ),
    "worker.crashed": _reject(
        "This upload crashed the worker several times.",
        "Re-save the picture at a smaller size and upload it. If it is an ordinary photo, report its format and size.",
    ),
    "superoffice.unauthorized": _defer(
        "SuperOffice does not accept the credential, not even a fresh one.",
        "Put a valid credential into the secret. For a system user, check the app's approval and licence.",
    ),
    "superoffice.rate-limited": _defer(
        "SuperOffice asks for fewer calls.",
        "It ends by itself. If it persists, deploy with a lower SuperOfficeCallsPerSecond.",
    ),
    "superoffice.unavailable": _defer(
        "SuperOffice does not respond, or is temporarily unavailable.",
        "If it persists, check SuperOffice's status page and the network between the function and SuperOffice.",
    ),
    "superoffice.unexpected-answer": _defer(
        "The response is not a SuperOffice response.",
        "Check base_url, and any proxy or web application firewall on the way.",
    ),
    "superoffice.misdirected": _defer(
        "The tenant is not at the address that SuperOffice gives.",
        "Wait until the tenant's move is complete. If it persists, contact SuperOffice support.",
    ),
    "credentials.invalid": _defer(
        "The secret is missing or malformed, or the login service refuses it.",
        "Correct the secret: image-ingest secret put.",
    ),
    "target.busy": _defer(
        "Another worker is changing the picture of the same record.",
        "It ends by itself; the upload needs no change.",
    ),
    "aws.unavailable": _defer(
        "An AWS service does not respond, or limits the number of requests.",
        "If it persists, check the AWS Health Dashboard and, for a function in a VPC, its route to this service.",
    ),
    "aws.denied": _defer(
        "AWS denies the function access: a grant or a key policy is missing.",
        "Deploy the template's role unchanged. With your own KMS key, allow the function to use it.",
    ),
    "worker.out-of-time": _defer(
        "The invocation ran out of time.",
        "If it persists, deploy with more memory (MemorySize), which also gives it more computing power.",
    ),
    "worker.failed": _defer(
        "An error in the function itself.",
        "Report it with this upload's log entry, and update when it is fixed.",
    ),
}


def explain_failure(code: str | None, message: str | None) -> str:
    """Code, message and advice in one line, for whoever reads no catalogue."""
    advice = CATALOGUE[code].advice if code in CATALOGUE else ""
    return " ".join(filter(None, [f"{code}:", message, advice]))


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
