"""Whether an upload or a removal needs no work, by what the target's item says (docs/reference.md, "Order")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from image_ingest.ledger.order import compare, later_handled_wins, same_upload
from image_ingest.ledger.records import read_removal_identity, read_stored_identity
from image_ingest.ledger.table import Item
from image_ingest.upload import Delivery, UploadIdentity


@dataclass(frozen=True)
class Settled:
    """The upload needs no work: its outcome is known already."""

    outcome: Literal["duplicate", "superseded", "rejected", "removed", "ignored"]
    blob_id: int | None = None
    error_code: str | None = None
    message: str | None = None


def settle(item: Item, identity: UploadIdentity, tenant: str | None, delivery: Delivery) -> Settled | None:
    """The outcome that is known already; None if the upload or removal must be tried."""
    settled = _settle_removal(item, identity, tenant) if identity.is_removal else _settle_upload(item, identity, tenant)
    if settled is None and _was_rejected(item, identity, delivery):
        return Settled("rejected", error_code=item.get("error_code"), message=item.get("error_message"))
    return settled


def awaits_upload(item: Item, identity: UploadIdentity) -> bool:
    """Whether this is a removal of what an upload may just be storing, so that no outcome is known before that ends."""
    if not identity.is_removal or "attempt" not in item:
        return False
    attempt = UploadIdentity.from_map(item["attempt"])
    return not attempt.is_removal and (attempt.bucket, attempt.key) == (identity.bucket, identity.key)


def _settle_upload(item: Item, identity: UploadIdentity, tenant: str | None) -> Settled | None:
    stored, removal = read_stored_identity(item, tenant), read_removal_identity(item, tenant)
    if stored is not None and same_upload(identity, stored):
        return Settled("duplicate", blob_id=int(item["blob_id"]))
    if stored is not None and _loses(item, identity, stored):
        return Settled("superseded", message="A newer upload for this target is stored.")
    if removal is not None and _loses(item, identity, removal):
        return Settled("superseded", message="The target's picture was removed after this upload.")
    return None


def _settle_removal(item: Item, identity: UploadIdentity, tenant: str | None) -> Settled | None:
    removal = read_removal_identity(item, tenant)
    if removal is not None and same_upload(identity, removal):
        return Settled("removed", message="The picture is removed already.")
    if "attempt" in item and same_upload(identity, UploadIdentity.from_map(item["attempt"])):
        return None  # tried before, and nothing else since
    shown = read_stored_identity(item, tenant) or _read_doubtful_upload(item)
    if shown is None or (shown.bucket, shown.key) != (identity.bucket, identity.key):
        return Settled("ignored", message="No picture of this object is stored.")
    if _loses(item, identity, shown):
        return Settled("superseded", message="A newer upload for this target is stored.")
    return None


def _read_doubtful_upload(item: Item) -> UploadIdentity | None:
    """The upload whose PUT may have been carried out without being recorded."""
    if "attempt" not in item or not (item.get("in_doubt") or item.get("status") == "in_progress"):
        return None
    attempt = UploadIdentity.from_map(item["attempt"])
    return None if attempt.is_removal else attempt


def _loses(item: Item, identity: UploadIdentity, reference: UploadIdentity) -> bool:
    relation = compare(identity, reference)
    loses_tie = not later_handled_wins(identity, reference) or identity.fingerprint in item.get("ties", ())
    return relation == "older" or (relation == "tied" and loses_tie)


def _was_rejected(item: Item, identity: UploadIdentity, delivery: Delivery) -> bool:
    """Whether an earlier receipt of this very message ended rejected, and so is dead-lettered already."""
    attempt = item.get("attempt")
    return bool(
        attempt
        and item.get("status") == "rejected"
        and attempt["delivery"] == delivery.id
        and attempt["receives"] < (delivery.receives or 0)
        and same_upload(identity, UploadIdentity.from_map(attempt))
    )
