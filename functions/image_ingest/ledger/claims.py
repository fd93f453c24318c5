"""The ledger: one DynamoDB item per target, which says what SuperOffice shows and who may change it.

An upload is claimed, sent, and recorded. Every write is conditional: a claim on the item being as it was read, a record
or release on the claim still being the worker's own. So a worker whose lease ended can change nothing that another
holds. A failure is recorded only while the claim has not ended: a record whose response was lost may have ended it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from image_ingest.errors import Deferred, IngestError
from image_ingest.ledger.records import Claim, StoredPicture, UploadClaim, read_claim
from image_ingest.ledger.settling import Settled, awaits_upload, settle
from image_ingest.ledger.table import Item, Table
from image_ingest.target import Target
from image_ingest.upload import Delivery, UploadIdentity

CRASH_LIMIT = 3  # crashes of the worker after which an upload is no longer tried
_CLAIM_ROUNDS = 5
_LEASE_LOST = "The lease ended before the work was done, and another worker has the target."
_CRASHES_KEPT = 16
_UNRECORDED_KEPT = 1000
_PICTURE_ATTRIBUTES = (
    *("blob_id", "bucket", "key", "version_id", "content_type", "width", "height", "sha256"),
    *("stored", "sending"),
)


class Ledger:
    """Claims targets, and records how the uploads ended that they were claimed for.

    Every method raises Deferred `aws.unavailable`, `aws.denied`, or `target.busy` if another worker was faster.
    """

    def __init__(self, table: Table, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._unrecorded: set[str] = set()  # our own claims whose start or end the ledger may not have recorded

    def claim(
        self, target: Target, identity: UploadIdentity, tenant: str | None, delivery: Delivery, lease: float
    ) -> UploadClaim | Settled:
        """Claims the target for an upload or a removal, for `lease` seconds, unless that is settled already.

        `tenant` None means that it is not known now: what is stored then counts as this tenant's.
        """
        token = uuid.uuid4().hex
        item = self._table.read(target)
        for _ in range(_CLAIM_ROUNDS):
            settled = self._settle(item, identity, tenant, delivery)
            if settled is not None:
                return settled
            self._check_free(item)
            values = self._build_values(target, identity, delivery, token, lease, item)
            won, item = self._write_claim(target, values, item)
            if won or item.get("claim") == token:  # the latter: sent again because its response was lost
                return read_claim(item, target, identity, tenant)
        raise Deferred("target.busy", "Other workers were faster to claim this target.")

    def read(self, target: Target) -> Item:
        """The target's item as it is now; empty if there is none."""
        return self._table.read(target)

    def decide(
        self, item: Item, target: Target, identity: UploadIdentity, tenant: str | None, delivery: Delivery
    ) -> UploadClaim | Settled:
        """What claim() would return if the target's item was this one. Writes nothing."""
        settled = self._settle(item, identity, tenant, delivery)
        if settled is not None:
            return settled
        self._check_free(item)
        values = self._build_values(target, identity, delivery, "", 0, item)
        return read_claim({**item, **values}, target, identity, tenant)

    def hold(self, target: Target, lease: float) -> Claim:
        """Claims the target for `lease` seconds without an upload. Ends by erase(), or release() if nothing changed.

        Until then what the target shows is in doubt, so that no upload is skipped as unchanged.
        """
        token = uuid.uuid4().hex
        item = self._table.read(target)
        for _ in range(_CLAIM_ROUNDS):
            self._check_free(item)
            is_new = not item
            values = {
                "entity_type": target.entity_type,
                "entity_id": target.entity_id,
                "status": item.get("status", "in_progress"),
                "claim": token,
                "lease_until": _number(self._clock() + lease),
                "in_doubt": True,
            }
            won, item = self._table.update(target, self._stamp(values), _as_read(item))
            if won or item.get("claim") == token:
                return Claim(target, token, is_new)
        raise Deferred("target.busy", "Other workers were faster to claim this target.")

    def erase(self, claim: Claim) -> None:
        """Deletes everything that the ledger knows of the claimed target."""
        if not self._table.delete(claim.target, {"claim": claim.token}):
            raise Deferred("target.busy", _LEASE_LOST)

    def record_stored(self, claim: UploadClaim, picture: StoredPicture, tenant: str, *, in_doubt: bool = False) -> None:
        """Records that SuperOffice shows this upload's picture, and ends the claim.

        `in_doubt`: an earlier PUT of these bytes may still arrive, so the lease is kept.
        """
        identity = claim.identity
        values: dict[str, Any] = {
            "status": "stored",
            "blob_id": picture.blob_id,
            "tenant": tenant,
            "bucket": identity.bucket,
            "key": identity.key,
            "version_id": identity.version_id,
            "content_type": picture.content_type,
            "width": picture.width,
            "height": picture.height,
            "sha256": picture.sha256,
            "stored": _build_stored(identity, picture),
            "removal": None,
        }
        if picture.image_info is not None:  # else the announced PUT still tells what its picture is like
            values["sending"] = None
        self._end(claim, values | _build_success(claim, in_doubt=in_doubt), {"claim": claim.token})

    def record_removed(self, claim: UploadClaim, tenant: str, *, in_doubt: bool = False) -> None:
        """Records that SuperOffice shows no picture any more, and ends the claim.

        `in_doubt`: an earlier DELETE may still arrive, so the lease is kept.
        """
        values: dict[str, Any] = {
            **dict.fromkeys(_PICTURE_ATTRIBUTES),
            "status": "removed",
            "tenant": tenant,
            "removal": claim.identity.as_map(),
        }
        self._end(claim, values | _build_success(claim, in_doubt=in_doubt), {"claim": claim.token})

    def record_kept(self, claim: UploadClaim) -> None:
        """Records that SuperOffice shows a picture that is not this stack's, and ends the claim."""
        values = {"status": "kept", "sending": None, "lease_until": None, f"crashes.{claim.identity.fingerprint}": None}
        self._end(claim, values, {"claim": claim.token, "status": "in_progress"})

    def announce_put(self, claim: UploadClaim, sending: Mapping[str, Any]) -> None:
        """Records that a PUT is about to be started, so that its picture is recognised if its response is lost."""
        won, _ = self._table.update(
            claim.target, self._stamp({"sending": sending}), {"claim": claim.token, "status": "in_progress"}
        )
        if not won:
            raise Deferred("target.busy", _LEASE_LOST)

    def record_failure(self, claim: UploadClaim, failure: IngestError, *, final: bool, in_doubt: bool = False) -> None:
        """Records why the upload failed, and ends the claim; what is stored stays.

        `in_doubt`: a PUT or DELETE may still arrive, so the target stays leased; so it does if the failure says this.
        """
        values: dict[str, Any] = {
            "status": "rejected" if final else "deferred",
            "error_code": failure.code,
            "error_message": failure.message,
        }
        if final:
            values[f"crashes.{claim.identity.fingerprint}"] = None
        in_doubt = in_doubt or (isinstance(failure, Deferred) and failure.in_doubt)
        if not in_doubt:
            values["lease_until"] = None
        if in_doubt or claim.token in self._unrecorded:
            values["in_doubt"] = True
        self._end(claim, values, {"claim": claim.token, "status": "in_progress"})

    def release(self, claim: Claim) -> None:
        """Ends a claim under which nothing was changed: a hold, or an upload whose object was deleted meanwhile."""
        if not isinstance(claim, UploadClaim):
            if claim.is_new:
                self.erase(claim)
            else:
                self._end(claim, {"lease_until": None}, {"claim": claim.token})
            return
        values: dict[str, Any] = {"lease_until": None, f"crashes.{claim.identity.fingerprint}": None}
        if claim.stored is not None:
            values |= {"status": "stored"}
        else:
            values |= {"status": "rejected", "error_message": "The object was deleted before it was stored."}
        self._end(claim, values, {"claim": claim.token, "status": "in_progress"})

    def _settle(self, item: Item, identity: UploadIdentity, tenant: str | None, delivery: Delivery) -> Settled | None:
        if awaits_upload(item, identity):
            self._check_free(item)
        return settle(item, identity, tenant, delivery)

    def _check_free(self, item: Item) -> None:
        if item.get("lease_until", 0) > self._clock():
            raise Deferred("target.busy", "Another worker is storing a picture for this target.")

    def _build_values(  # noqa: PLR0917  # each is a part of the claim
        self, target: Target, identity: UploadIdentity, delivery: Delivery, token: str, lease: float, item: Item
    ) -> dict[str, Any]:
        return {
            "entity_type": target.entity_type,
            "entity_id": target.entity_id,
            "status": "in_progress",
            "error_code": None,
            "error_message": None,
            "claim": token,
            "lease_until": _number(self._clock() + lease),
            "attempt": {**identity.as_map(), "delivery": delivery.id, "receives": delivery.receives or 0},
            "crashes": self._count_crashes(item),
            "in_doubt": True if item.get("in_doubt") or item.get("status") == "in_progress" else None,
        }

    def _write_claim(self, target: Target, values: Mapping[str, Any], item: Item) -> tuple[bool, Item]:
        try:
            return self._table.update(target, self._stamp(values), _as_read(item))
        except Deferred:
            self._keep_unrecorded(values["claim"])
            raise

    def _stamp(self, values: Mapping[str, Any]) -> dict[str, Any]:
        moment = datetime.fromtimestamp(self._clock(), UTC)
        return {**values, "updated_at": moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"}

    def _end(self, claim: Claim, values: Mapping[str, Any], expected: Mapping[str, str]) -> None:
        try:
            won, item = self._table.update(claim.target, self._stamp(values), expected)
        except Deferred:
            self._keep_unrecorded(claim.token)
            raise
        if not won and item.get("claim") != claim.token:  # one's own means: ended by a write whose answer was lost
            raise Deferred("target.busy", _LEASE_LOST)

    def _keep_unrecorded(self, token: str) -> None:
        if len(self._unrecorded) >= _UNRECORDED_KEPT:
            self._unrecorded.clear()
        self._unrecorded.add(token)

    def _count_crashes(self, item: Item) -> dict[str, int]:
        """Crashes by upload; a claim that was neither recorded nor released counts as one more.

        It does not count if this worker made the claim itself: then an outage of the ledger lost only the record.
        """
        crashes = {name: int(count) for name, count in item.get("crashes", {}).items()}
        if item.get("status") == "in_progress" and "attempt" in item and item["claim"] not in self._unrecorded:
            died = UploadIdentity.from_map(item["attempt"]).fingerprint
            crashes[died] = crashes.pop(died, 0) + 1
        return dict(list(crashes.items())[-_CRASHES_KEPT:])


def _as_read(item: Item) -> dict[str, object]:
    """The condition that the item is unchanged. Revisions start again when an item is deleted; tokens never repeat."""
    return {"revision": item.get("revision"), "claim": item.get("claim")}


def _build_stored(identity: UploadIdentity, picture: StoredPicture) -> dict[str, Any]:
    facts = {
        "picture_settings": picture.picture_settings,
        "size": picture.size,
        "image_info": picture.image_info,
    }
    return {**identity.as_map(), **{name: value for name, value in facts.items() if value is not None}}


def _build_success(claim: UploadClaim, *, in_doubt: bool) -> dict[str, Any]:
    """The values that end a claim under which something was changed."""
    values: dict[str, Any] = {
        "ties": list(claim.ties),
        "error_code": None,
        "error_message": None,
        "in_doubt": None,
        f"crashes.{claim.identity.fingerprint}": None,
    }
    return values if in_doubt else {**values, "lease_until": None}


def _number(seconds: float) -> Decimal:
    return Decimal(f"{seconds:.3f}")
