"""The ledger: one DynamoDB item per target, which says what SuperOffice shows and who may change it.

An upload is claimed, sent, and recorded. Every write is conditional: a claim on the item's revision as it was read,
a record or release on the claim being still one's own. So a worker whose lease ran out can change nothing that another
holds. A failure is recorded only while the claim has not ended, as a record whose answer was lost may have ended it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from image_ingest.errors import Deferred, IngestError
from image_ingest.events import Delivery
from image_ingest.ledger.order import Mark, later_handled_wins, order, same_second, same_upload
from image_ingest.ledger.table import Item, Table
from image_ingest.target import Target

CRASH_LIMIT = 3  # deaths without a word after which an upload is no longer tried
_CLAIM_ROUNDS = 5
_CRASHES_KEPT = 16
_TIES_KEPT = 64
_UNENDED_KEPT = 1000


@dataclass(frozen=True)
class StoredPicture:
    """What SuperOffice has accepted, and from which source bytes under which settings it was made."""

    blob_id: int
    content_type: str
    width: int
    height: int
    sha256: str
    picture_settings: str


@dataclass(frozen=True)
class Settled:
    """The upload needs no work: its outcome was known before."""

    outcome: Literal["duplicate", "superseded", "rejected"]
    blob_id: int | None = None
    error_code: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Claim:
    """The right to change a target's picture until the lease ends.

    `stored` is the picture that this tenant shows now, None also where a PUT since then ended without a word.
    `crashes` is how often this upload killed its worker before.
    """

    target: Target
    mark: Mark
    token: str
    stored: StoredPicture | None
    crashes: int
    ties: tuple[str, ...] = ()


class Ledger:
    """Claims targets for uploads, and records how these ended.

    Every method raises Deferred `aws.unavailable`, `aws.denied`, or `target.busy` where another worker was faster.
    """

    def __init__(self, table: Table, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._unended: set[str] = set()  # claims of ours whose end, or whose very start, may not be on record

    def claim(
        self, target: Target, mark: Mark, tenant: str | None, delivery: Delivery, lease: float
    ) -> Claim | Settled:
        """Claims the target for `lease` seconds, unless the upload is settled already.

        `tenant` None means that it is not known now: what is stored then counts as this tenant's.
        """
        token = uuid.uuid4().hex
        item = self._table.read(target)
        for _ in range(_CLAIM_ROUNDS):
            settled = _settled(item, mark, tenant, delivery)
            if settled is not None:
                return settled
            if item.get("lease_until", 0) > self._clock():
                raise Deferred("target.busy", "Another worker is storing a picture for this target.")
            won, item = self._write_claim(target, mark, delivery, token, lease, item)
            if won or item.get("claim") == token:  # the latter: sent again because its answer was lost
                return _claim(item, target, mark, tenant)
        raise Deferred("target.busy", "Other workers were faster to claim this target.")

    def record_stored(self, claim: Claim, picture: StoredPicture, tenant: str, *, in_doubt: bool = False) -> None:
        """Records that SuperOffice shows this upload's picture, and ends the claim.

        The lease is kept where an earlier, unanswered PUT of these bytes may still arrive.
        """
        mark = claim.mark
        values: dict[str, Any] = {
            "status": "stored",
            "blob_id": picture.blob_id,
            "tenant": tenant,
            "bucket": mark.bucket,
            "key": mark.key,
            "version_id": mark.version_id,
            "content_type": picture.content_type,
            "width": picture.width,
            "height": picture.height,
            "sha256": picture.sha256,
            "stored": {**mark.as_map(), "picture_settings": picture.picture_settings},
            "ties": list(claim.ties),
            "error_code": None,
            "error_message": None,
            "in_doubt": None,
            f"crashes.{mark.fingerprint}": None,
        }
        if not in_doubt:
            values["lease_until"] = None
        self._end(claim, values, {"claim": claim.token})

    def record_failure(self, claim: Claim, failure: IngestError, *, final: bool) -> None:
        """Records why the upload failed, and ends the claim; what is stored stays.

        After an unknown outcome the target stays leased, as the PUT may still arrive.
        """
        values: dict[str, Any] = {
            "status": "rejected" if final else "deferred",
            "error_code": failure.code,
            "error_message": failure.message,
        }
        if final:
            values[f"crashes.{claim.mark.fingerprint}"] = None
        unknown = isinstance(failure, Deferred) and failure.in_doubt
        if not unknown:
            values["lease_until"] = None
        if unknown or claim.token in self._unended:
            values["in_doubt"] = True
        self._end(claim, values, {"claim": claim.token, "status": "in_progress"})

    def release(self, claim: Claim) -> None:
        """Ends the claim of an upload whose object was deleted meanwhile."""
        values: dict[str, Any] = {"lease_until": None, f"crashes.{claim.mark.fingerprint}": None}
        if claim.stored is not None:
            values |= {"status": "stored"}
        else:
            values |= {"status": "rejected", "error_message": "The object was deleted before it was stored."}
        self._end(claim, values, {"claim": claim.token, "status": "in_progress"})

    def _write_claim(  # noqa: PLR0917  # one caller, and each is a part of the claim
        self, target: Target, mark: Mark, delivery: Delivery, token: str, lease: float, item: Item
    ) -> tuple[bool, Item]:
        values = {
            "entity_type": target.entity_type,
            "entity_id": target.entity_id,
            "status": "in_progress",
            "error_code": None,
            "error_message": None,
            "claim": token,
            "lease_until": _number(self._clock() + lease),
            "attempt": {**mark.as_map(), "delivery": delivery.id, "receives": delivery.receives or 0},
            "crashes": self._crashes(item),
            "in_doubt": True if item.get("in_doubt") or item.get("status") == "in_progress" else None,
        }
        try:
            return self._table.update(target, self._stamped(values), {"revision": item.get("revision")})
        except Deferred:
            self._keep_unended(token)
            raise

    def _stamped(self, values: Mapping[str, Any]) -> dict[str, Any]:
        moment = datetime.fromtimestamp(self._clock(), UTC)
        return {**values, "updated_at": moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"}

    def _end(self, claim: Claim, values: Mapping[str, Any], expected: Mapping[str, str]) -> None:
        try:
            won, item = self._table.update(claim.target, self._stamped(values), expected)
        except Deferred:
            self._keep_unended(claim.token)
            raise
        if not won and item.get("claim") != claim.token:  # one's own means: ended by a write whose answer was lost
            raise Deferred(
                "target.busy", "The lease ended before the upload was done, and another worker has the target."
            )

    def _keep_unended(self, token: str) -> None:
        if len(self._unended) >= _UNENDED_KEPT:
            self._unended.clear()
        self._unended.add(token)

    def _crashes(self, item: Item) -> dict[str, int]:
        """Deaths without a word by upload; a claim that was neither recorded nor released is one more.

        Unless this worker made that claim and lives: then the word was lost, in an outage of the ledger.
        """
        crashes = {name: int(count) for name, count in item.get("crashes", {}).items()}
        if item.get("status") == "in_progress" and item["claim"] not in self._unended:
            died = Mark.from_map(item["attempt"]).fingerprint
            crashes[died] = crashes.pop(died, 0) + 1
        return dict(list(crashes.items())[-_CRASHES_KEPT:])


def settled(item: Item, mark: Mark, tenant: str | None) -> Settled | None:
    """What the upload's outcome would be if it was delivered afresh now; None where it would be tried."""
    return _settled(item, mark, tenant, Delivery(""))


def _settled(item: Item, mark: Mark, tenant: str | None, delivery: Delivery) -> Settled | None:
    stored = _stored_mark(item, tenant)
    if stored is not None:
        blob_id = int(item["blob_id"])
        if same_upload(mark, stored):
            return Settled("duplicate", blob_id=blob_id)
        relation = order(mark, stored)
        loses_tie = not later_handled_wins(mark, stored) or mark.fingerprint in item.get("ties", ())
        if relation == "older" or (relation == "tied" and loses_tie):
            return Settled("superseded", message="A newer upload for this target is stored.")
    if _refused_before(item, mark, delivery):
        return Settled("rejected", error_code=item.get("error_code"), message=item.get("error_message"))
    return None


def _refused_before(item: Item, mark: Mark, delivery: Delivery) -> bool:
    """Whether an earlier receipt of this very message ended rejected, and so is dead-lettered already."""
    attempt = item.get("attempt")
    return bool(
        attempt
        and item.get("status") == "rejected"
        and attempt["delivery"] == delivery.id
        and attempt["receives"] < (delivery.receives or 0)
        and same_upload(mark, Mark.from_map(attempt))
    )


def _stored_mark(item: Item, tenant: str | None) -> Mark | None:
    if "stored" not in item or tenant not in {None, item["tenant"]}:
        return None
    return Mark.from_map(item["stored"])


def _claim(item: Item, target: Target, mark: Mark, tenant: str | None) -> Claim:
    stored = _stored_mark(item, tenant)
    return Claim(
        target=target,
        mark=mark,
        token=item["claim"],
        stored=None if stored is None or item.get("in_doubt") else _stored_picture(item),
        crashes=int(item["crashes"].get(mark.fingerprint, 0)),
        ties=() if stored is None else _ties(item, mark, stored),
    )


def _stored_picture(item: Item) -> StoredPicture:
    return StoredPicture(
        blob_id=int(item["blob_id"]),
        content_type=item["content_type"],
        width=int(item["width"]),
        height=int(item["height"]),
        sha256=item["sha256"],
        picture_settings=item["stored"]["picture_settings"],
    )


def _ties(item: Item, mark: Mark, stored: Mark) -> tuple[str, ...]:
    """What this upload overtakes and what could tie with it: redelivered, these must not win the tie again."""
    if not same_second(mark, stored):
        return ()
    return (*item.get("ties", ()), stored.fingerprint)[-_TIES_KEPT:]


def _number(seconds: float) -> Decimal:
    return Decimal(f"{seconds:.3f}")
