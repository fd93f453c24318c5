"""The ledger's rules, one target's item at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from image_ingest.errors import Deferred, Rejected
from image_ingest.ledger import CRASH_LIMIT, Ledger, Settled, StoredPicture, Table, UploadClaim
from image_ingest.target import Target
from image_ingest.upload import Delivery, UploadIdentity
from tests.simulation.virtual_aws import Table as VirtualTable

TARGET = Target("person", 123)
TENANT, OTHER_TENANT = "https://crm-1", "https://crm-2"
UPLOAD = UploadIdentity("photos", "a.jpg", "v1", "0A", "2026-10-05T10:00:00.000Z", "etag")
NEWER = replace(UPLOAD, version_id="v2", sequencer="0B")
PICTURE = StoredPicture(59, "image/jpeg", 8, 6, "sha", "1024x1024 contain q85")
LEASE = 100.0
BROKEN = Rejected("image.unreadable", "broken")
NOT_NOW = Deferred("superoffice.rate-limited", "later")
NO_ANSWER = Deferred("superoffice.unavailable", "no answer", in_doubt=True)


class Flaky(VirtualTable):
    """A table whose next write goes wrong: nothing is done, the answer is lost, or the client sends it again."""

    def __init__(self) -> None:
        super().__init__()
        self.next = ""
        self.before_update: Callable[[], None] | None = None

    def update_item(self, **call: Any) -> Any:
        interrupt, self.before_update = self.before_update, None
        if interrupt:
            interrupt()
        fault, self.next = self.next, ""
        if fault == "refused":
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "UpdateItem")
        answer = super().update_item(**call)
        if fault == "answer lost":
            raise ReadTimeoutError(endpoint_url="https://dynamodb")
        return super().update_item(**call) if fault == "sent twice" else answer


class Desk:
    """One item's table, its clock, and any number of workers, each with its own Ledger."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.database = Flaky()
        self.worker = self.new_worker()

    def new_worker(self) -> Ledger:
        client: Any = self.database
        return Ledger(Table(client, "ledger"), clock=lambda: self.now)

    def try_claim(
        self, identity: UploadIdentity, tenant: str | None = TENANT, delivery: str = "message", receives: int = 1
    ) -> UploadClaim | Settled:
        return self.worker.claim(TARGET, identity, tenant, Delivery(delivery, receives), LEASE)

    def claim(self, identity: UploadIdentity, tenant: str = TENANT) -> UploadClaim:
        claim = self.try_claim(identity, tenant)
        assert isinstance(claim, UploadClaim)
        return claim

    def store(self, identity: UploadIdentity, tenant: str = TENANT) -> None:
        self.worker.record_stored(self.claim(identity, tenant), PICTURE, tenant)

    def outcome(self, identity: UploadIdentity, tenant: str = TENANT) -> str:
        """Handles an upload as far as the ledger is concerned."""
        claim = self.try_claim(identity, tenant)
        if isinstance(claim, Settled):
            return claim.outcome
        self.worker.record_stored(claim, PICTURE, tenant)
        return "stored"

    def die(self, identity: UploadIdentity) -> None:
        """A worker claims and is never heard of again; the lease ends."""
        self.claim(identity)
        self.worker = self.new_worker()
        self.now += LEASE + 1

    def item(self) -> dict[str, Any]:
        return dict(Table(self.database, "ledger").read(TARGET))  # type: ignore[arg-type]  # a stand-in for boto3's client

    def is_busy(self, identity: UploadIdentity) -> bool:
        try:
            self.try_claim(identity)
        except Deferred as deferred:
            return deferred.code == "target.busy"
        return False


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_is_recorded_is_what_others_may_read(desk: Desk) -> None:
    desk.store(UPLOAD)
    item = desk.item()
    assert (item["target"], item["entity_type"], item["entity_id"]) == ("person#123", "person", 123)
    assert (item["status"], item["blob_id"], item["tenant"]) == ("stored", 59, TENANT)
    assert (item["bucket"], item["key"], item["version_id"]) == ("photos", "a.jpg", "v1")
    assert (item["content_type"], item["width"], item["height"], item["sha256"]) == ("image/jpeg", 8, 6, "sha")
    assert item["updated_at"] == "1970-01-01T00:16:40.000Z"


def test_a_stored_upload_is_a_duplicate_and_an_older_one_superseded(desk: Desk) -> None:
    assert [desk.outcome(identity) for identity in (NEWER, NEWER, UPLOAD)] == ["stored", "duplicate", "superseded"]
    duplicate = desk.try_claim(NEWER)
    assert isinstance(duplicate, Settled)
    assert duplicate.blob_id == 59


def test_while_a_worker_holds_the_target_every_other_upload_waits(desk: Desk) -> None:
    desk.claim(NEWER)
    assert desk.is_busy(UPLOAD)
    assert desk.is_busy(NEWER)
    desk.now += LEASE + 0.001
    assert not desk.is_busy(UPLOAD)


@pytest.mark.parametrize("end", ["stored", "refused", "released"])
def test_a_worker_whose_lease_was_taken_over_can_end_nothing(desk: Desk, end: str) -> None:
    late = desk.claim(UPLOAD)
    desk.now += LEASE + 1
    desk.claim(NEWER)
    before = desk.item()
    endings: dict[str, Callable[[], None]] = {
        "stored": lambda: desk.worker.record_stored(late, PICTURE, TENANT),
        "refused": lambda: desk.worker.record_failure(late, BROKEN, final=True),
        "released": lambda: desk.worker.release(late),
    }
    with pytest.raises(Deferred) as raised:
        endings[end]()
    assert raised.value.code == "target.busy"
    assert desk.item() == before


def test_a_worker_whose_lease_ended_may_still_record_while_nobody_else_claimed(desk: Desk) -> None:
    claim = desk.claim(UPLOAD)
    desk.now += LEASE + 1
    desk.worker.record_stored(claim, PICTURE, TENANT)
    assert desk.item()["status"] == "stored"


def test_after_a_known_failure_the_target_is_free_at_once_and_the_stored_picture_stays(desk: Desk) -> None:
    desk.store(UPLOAD)
    desk.worker.record_failure(desk.claim(NEWER), NOT_NOW, final=False)
    item = desk.item()
    assert (item["status"], item["error_code"], item["error_message"]) == ("deferred", NOT_NOW.code, "later")
    assert (item["blob_id"], item["version_id"]) == (59, "v1")
    assert desk.claim(NEWER).stored == PICTURE


def test_after_an_unknown_outcome_the_target_stays_leased_to_the_end(desk: Desk) -> None:
    desk.worker.record_failure(desk.claim(UPLOAD), NO_ANSWER, final=False)
    desk.now += LEASE - 1
    assert desk.is_busy(UPLOAD)
    assert desk.is_busy(NEWER)
    desk.now += 2
    assert desk.claim(UPLOAD).crashes == 0


def test_a_refused_newer_upload_does_not_stand_in_an_older_ones_way(desk: Desk) -> None:
    desk.worker.record_failure(desk.claim(NEWER), BROKEN, final=True)
    assert desk.outcome(UPLOAD) == "stored"


def test_a_later_receipt_of_a_refused_message_is_settled_but_a_replay_is_tried(desk: Desk) -> None:
    desk.worker.record_failure(desk.claim(UPLOAD), BROKEN, final=True)
    again = desk.try_claim(UPLOAD, receives=2)
    assert isinstance(again, Settled)
    assert (again.outcome, again.error_code, again.message) == ("rejected", "image.unreadable", "broken")
    assert isinstance(desk.try_claim(UPLOAD, delivery="replay"), UploadClaim)


def test_a_deferred_message_is_tried_again_at_its_next_receipt(desk: Desk) -> None:
    desk.worker.record_failure(desk.claim(UPLOAD), NOT_NOW, final=False)
    assert isinstance(desk.try_claim(UPLOAD, receives=2), UploadClaim)


def test_what_another_tenant_has_counts_as_never_stored(desk: Desk) -> None:
    desk.store(NEWER)
    assert desk.claim(UPLOAD, OTHER_TENANT).stored is None
    desk.now += LEASE + 1
    assert [desk.outcome(identity, OTHER_TENANT) for identity in (NEWER, NEWER, UPLOAD)] == [
        "stored",
        "duplicate",
        "superseded",
    ]


def test_where_the_tenant_is_not_known_what_is_stored_counts(desk: Desk) -> None:
    desk.store(UPLOAD)
    assert desk.try_claim(UPLOAD, None) == Settled("duplicate", blob_id=59)


# --- deaths ---------------------------------------------------------------------------------------------------------


def test_an_uploads_deaths_are_counted_until_it_is_given_up(desk: Desk) -> None:
    for deaths in range(CRASH_LIMIT):
        assert desk.claim(UPLOAD).crashes == deaths
        desk.worker = desk.new_worker()
        desk.now += LEASE + 1
    desk.worker.record_failure(desk.claim(UPLOAD), Rejected("worker.crashed", "died"), final=True)
    assert desk.claim(UPLOAD).crashes == 0


def test_deaths_are_counted_by_upload_whoever_comes_next(desk: Desk) -> None:
    desk.die(UPLOAD)
    desk.die(NEWER)
    desk.die(UPLOAD)
    assert desk.claim(NEWER).crashes == 1
    desk.now += LEASE + 1
    assert desk.claim(UPLOAD).crashes == 2


def test_being_stored_clears_an_uploads_deaths(desk: Desk) -> None:
    desk.die(UPLOAD)
    desk.store(UPLOAD)
    assert desk.item()["crashes"] == {}


def test_failures_with_a_word_are_no_deaths(desk: Desk) -> None:
    for _ in range(CRASH_LIMIT + 1):
        desk.worker.record_failure(desk.claim(UPLOAD), NO_ANSWER, final=False)
        desk.now += LEASE + 1
    assert desk.claim(UPLOAD).crashes == 0


@pytest.mark.parametrize("fault", ["refused", "answer lost"])
def test_a_word_that_the_ledger_did_not_take_is_no_death(desk: Desk, fault: str) -> None:
    for _ in range(CRASH_LIMIT + 1):
        claim = desk.claim(UPLOAD)
        desk.database.next = "refused"
        with pytest.raises(Deferred):
            desk.worker.record_failure(claim, NOT_NOW, final=False)
        desk.now += LEASE + 1
        desk.database.next = fault
        with pytest.raises(Deferred):
            desk.claim(UPLOAD)
        desk.now += LEASE + 1
    assert desk.claim(UPLOAD).crashes == 0


# --- lost answers ---------------------------------------------------------------------------------------------------


def test_a_claim_that_was_sent_twice_is_still_ones_own(desk: Desk) -> None:
    desk.database.next = "sent twice"
    claim = desk.claim(UPLOAD)
    assert claim.crashes == 0
    desk.worker.record_stored(claim, PICTURE, TENANT)
    assert desk.outcome(UPLOAD) == "duplicate"


@pytest.mark.parametrize("failure", [BROKEN, NOT_NOW])
def test_an_end_that_was_sent_twice_has_ended(desk: Desk, failure: Rejected | Deferred) -> None:
    claim = desk.claim(UPLOAD)
    desk.database.next = "sent twice"
    desk.worker.record_failure(claim, failure, final=failure is BROKEN)
    assert desk.item()["error_code"] == failure.code


def test_a_record_that_was_sent_twice_is_one(desk: Desk) -> None:
    claim = desk.claim(UPLOAD)
    desk.database.next = "sent twice"
    desk.worker.record_stored(claim, PICTURE, TENANT)
    assert desk.outcome(UPLOAD) == "duplicate"


def test_a_failure_does_not_overwrite_a_record_whose_answer_was_lost(desk: Desk) -> None:
    claim = desk.claim(UPLOAD)
    desk.database.next = "answer lost"
    with pytest.raises(Deferred) as raised:
        desk.worker.record_stored(claim, PICTURE, TENANT)
    desk.worker.record_failure(claim, raised.value, final=False)
    assert desk.item()["status"] == "stored"
    assert "error_code" not in desk.item()
    assert desk.outcome(UPLOAD) == "duplicate"


# --- what may be skipped --------------------------------------------------------------------------------------------


def test_the_stored_picture_is_told_to_who_may_skip_the_same_bytes(desk: Desk) -> None:
    assert desk.claim(UPLOAD).stored is None
    desk.now += LEASE + 1
    desk.store(UPLOAD)
    assert desk.claim(NEWER).stored == PICTURE


def unknown_outcome(desk: Desk, claim: UploadClaim) -> None:
    desk.worker.record_failure(claim, NO_ANSWER, final=True)


def death(desk: Desk, claim: UploadClaim) -> None:
    desk.worker = desk.new_worker()


def unrecorded_put(desk: Desk, claim: UploadClaim) -> None:
    desk.database.next = "refused"
    with pytest.raises(Deferred) as raised:
        desk.worker.record_stored(claim, PICTURE, TENANT)
    desk.worker.record_failure(claim, raised.value, final=False)


@pytest.mark.parametrize("end", [unknown_outcome, death, unrecorded_put])
def test_after_a_put_that_nobody_recorded_nothing_may_be_skipped(
    desk: Desk, end: Callable[[Desk, UploadClaim], None]
) -> None:
    desk.store(UPLOAD)
    end(desk, desk.claim(NEWER))
    desk.now += LEASE + 1
    last = replace(UPLOAD, version_id="v3", sequencer="0C")
    desk.worker.record_failure(desk.claim(last), NOT_NOW, final=False)
    assert desk.claim(last).stored is None
    desk.now += LEASE + 1
    desk.store(last)
    assert desk.claim(replace(last, version_id="v4", sequencer="0D")).stored == PICTURE


def test_a_deleted_object_leaves_what_is_stored(desk: Desk) -> None:
    desk.store(UPLOAD)
    desk.worker.release(desk.claim(NEWER))
    assert (desk.item()["status"], desk.item()["blob_id"]) == ("stored", 59)


def test_a_deleted_object_of_a_target_without_picture_leaves_none(desk: Desk) -> None:
    desk.worker.release(desk.claim(UPLOAD))
    assert "blob_id" not in desk.item()
    assert not desk.is_busy(NEWER)


# --- removals -------------------------------------------------------------------------------------------------------

REMOVAL = UploadIdentity("photos", "a.jpg", "m1", "0C", "2026-10-05T10:00:02.000Z", "", is_removal=True)


def remove(desk: Desk, identity: UploadIdentity = REMOVAL) -> str:
    """Handles a removal as far as the ledger is concerned."""
    claim = desk.try_claim(identity)
    if isinstance(claim, Settled):
        return claim.outcome
    desk.worker.record_removed(claim, TENANT)
    return "deleted"


def test_a_removed_picture_leaves_the_item_without_it(desk: Desk) -> None:
    desk.store(UPLOAD)
    assert [remove(desk), remove(desk)] == ["deleted", "removed"]
    item = desk.item()
    assert (item["status"], item["tenant"], item["entity_id"]) == ("removed", TENANT, 123)
    assert item.keys().isdisjoint({"blob_id", "key", "version_id", "sha256", "stored", "lease_until"})


def test_what_is_older_than_the_removal_is_superseded_and_what_is_newer_stored(desk: Desk) -> None:
    desk.store(UPLOAD)
    remove(desk)
    newest = replace(UPLOAD, version_id="v4", sequencer="0D", time="2026-10-05T10:00:03.000Z")
    assert [desk.outcome(identity) for identity in (UPLOAD, NEWER, newest)] == ["superseded", "superseded", "stored"]
    assert desk.item()["status"] == "stored"
    assert remove(desk) == "superseded"


@pytest.mark.parametrize("key", ["b.jpg", None])
def test_a_removal_of_what_is_not_stored_is_ignored(desk: Desk, key: str | None) -> None:
    if key:
        desk.store(replace(UPLOAD, key=key))
    assert remove(desk) == "ignored"


def test_a_removal_of_what_another_tenant_has_is_ignored(desk: Desk) -> None:
    desk.store(UPLOAD, OTHER_TENANT)
    assert remove(desk) == "ignored"


def test_a_removal_waits_for_the_upload_of_its_object(desk: Desk) -> None:
    desk.store(replace(UPLOAD, key="b.jpg", time="2026-10-05T09:00:00.000Z"))
    claim = desk.claim(UPLOAD)
    assert desk.is_busy(REMOVAL)
    desk.worker.record_stored(claim, PICTURE, TENANT)
    assert remove(desk) == "deleted"


def test_a_picture_whose_put_was_never_recorded_is_removed_too(desk: Desk) -> None:
    desk.worker.record_failure(desk.claim(UPLOAD), NO_ANSWER, final=False)
    desk.now += LEASE + 1
    assert remove(desk) == "deleted"


def test_a_removal_whose_record_was_lost_is_made_again(desk: Desk) -> None:
    desk.worker.record_failure(desk.claim(UPLOAD), NO_ANSWER, final=False)
    desk.now += LEASE + 1
    claim = desk.claim(REMOVAL)
    desk.worker.record_failure(claim, NOT_NOW, final=False)
    assert remove(desk) == "deleted"


def test_after_a_delete_in_doubt_the_target_stays_leased(desk: Desk) -> None:
    desk.store(UPLOAD)
    desk.worker.record_removed(desk.claim(REMOVAL), TENANT, in_doubt=True)
    newest = replace(UPLOAD, version_id="v4", sequencer="0D")
    assert desk.is_busy(newest)
    desk.now += LEASE + 1
    assert desk.outcome(newest) == "stored"


def test_the_crashes_of_a_removal_are_not_those_of_the_version_that_it_deletes(desk: Desk) -> None:
    desk.store(UPLOAD)
    permanent = replace(REMOVAL, version_id=UPLOAD.version_id)
    desk.die(permanent)
    assert desk.claim(permanent).crashes == 1
    assert permanent.fingerprint != UPLOAD.fingerprint


def test_a_kept_picture_leaves_what_was_stored(desk: Desk) -> None:
    desk.store(UPLOAD)
    desk.worker.record_kept(desk.claim(NEWER))
    assert (desk.item()["status"], desk.item()["blob_id"]) == ("kept", 59)
    assert desk.outcome(UPLOAD) == "duplicate"


# --- claims without an upload --------------------------------------------------------------------------------------


def test_a_held_target_is_busy_until_it_is_erased(desk: Desk) -> None:
    desk.store(UPLOAD)
    claim = desk.worker.hold(TARGET, LEASE)
    assert desk.is_busy(NEWER)
    desk.worker.erase(claim)
    assert desk.item() == {}
    assert desk.outcome(UPLOAD) == "stored"


def test_a_target_that_a_worker_has_cannot_be_held(desk: Desk) -> None:
    desk.claim(UPLOAD)
    with pytest.raises(Deferred) as raised:
        desk.worker.hold(TARGET, LEASE)
    assert raised.value.code == "target.busy"


def test_a_hold_that_is_released_leaves_what_was_recorded(desk: Desk) -> None:
    desk.store(UPLOAD)
    desk.worker.release(desk.worker.hold(TARGET, LEASE))
    assert (desk.item()["status"], desk.item()["blob_id"]) == ("stored", 59)
    assert desk.outcome(UPLOAD) == "duplicate"
    assert desk.claim(NEWER).stored is None, "the picture may have been deleted"


def test_a_hold_of_an_unknown_target_leaves_nothing(desk: Desk) -> None:
    desk.worker.release(desk.worker.hold(TARGET, LEASE))
    assert desk.item() == {}


def test_a_hold_that_never_ended_is_no_crash_of_an_upload(desk: Desk) -> None:
    desk.worker.hold(TARGET, LEASE)
    desk.now += LEASE + 1
    assert desk.claim(UPLOAD).crashes == 0


def test_a_crash_is_counted_once_if_the_target_was_held_meanwhile(desk: Desk) -> None:
    desk.die(UPLOAD)
    desk.worker.release(desk.worker.hold(TARGET, LEASE))
    assert desk.claim(UPLOAD).crashes == 1


def test_who_lost_the_hold_erases_nothing(desk: Desk) -> None:
    claim = desk.worker.hold(TARGET, LEASE)
    desk.now += LEASE + 1
    desk.store(UPLOAD)
    with pytest.raises(Deferred) as raised:
        desk.worker.erase(claim)
    assert raised.value.code == "target.busy"
    assert desk.item()["status"] == "stored"


def test_a_claim_fails_if_the_item_was_deleted_and_made_again_since_it_was_read(desk: Desk) -> None:
    """The new item has the revision that the old one had."""
    desk.worker.record_failure(desk.claim(UPLOAD), NOT_NOW, final=False)
    desk.now += LEASE + 1

    def forget_and_claim() -> None:
        del desk.database.items[str(TARGET)]
        desk.worker.record_failure(desk.claim(NEWER), NOT_NOW, final=False)
        desk.claim(NEWER)
        desk.database.items[str(TARGET)]["revision"] = read["revision"]

    read = dict(desk.database.items[str(TARGET)])
    desk.database.before_update = forget_and_claim
    assert desk.is_busy(UPLOAD)


def test_a_claim_that_others_win_five_times_gives_up(desk: Desk) -> None:
    """Each time that this worker has read the item, another one claims it and ends its claim."""
    rounds = 0

    def interfere() -> None:
        nonlocal rounds
        rounds += 1
        desk.worker.record_failure(desk.claim(NEWER), NOT_NOW, final=False)
        desk.database.before_update = interfere

    desk.database.before_update = interfere
    with pytest.raises(Deferred) as raised:
        desk.try_claim(UPLOAD)
    assert (raised.value.code, rounds) == ("target.busy", 5)


def test_a_claim_that_others_win_four_times_is_won(desk: Desk) -> None:
    rounds = 0

    def interfere() -> None:
        nonlocal rounds
        rounds += 1
        desk.worker.record_failure(desk.claim(NEWER), NOT_NOW, final=False)
        desk.database.before_update = interfere if rounds < 4 else None

    desk.database.before_update = interfere
    assert isinstance(desk.try_claim(UPLOAD), UploadClaim)


# --- ties -----------------------------------------------------------------------------------------------------------


def tied(version: str, key: str = "a.jpg", fraction: str = "") -> UploadIdentity:
    return UploadIdentity("photos", key, version, None, f"2026-10-05T10:00:00{fraction}Z", "etag")


def test_of_two_tied_keys_the_first_one_stored_stays(desk: Desk) -> None:
    one, other = tied("v1"), tied("v2", key="b.jpg")
    assert [desk.outcome(identity) for identity in (one, other, one, other)] == [
        "stored",
        "superseded",
        "duplicate",
        "superseded",
    ]


TIED = [tied("v1"), tied("v2", fraction=".500"), tied("v3"), tied("v4", key="b.jpg"), tied("v5", fraction=".250")]


@pytest.mark.parametrize("first", [*permutations(range(len(TIED)), 3)], ids=str)
def test_redelivered_ties_come_to_rest(desk: Desk, first: tuple[int, ...]) -> None:
    for index in first:
        desk.outcome(TIED[index])
    calls = [
        sum(desk.outcome(TIED[index]) == "stored" for index in (*first, *reversed(range(len(TIED))))) for _ in range(4)
    ]
    assert calls[-2:] == [0, 0]


def test_an_upload_that_a_tie_overtook_is_not_sent_again(desk: Desk) -> None:
    identities = [tied(f"v{number}") for number in range(8)]
    assert {desk.outcome(identity) for identity in identities} == {"stored"}
    assert [desk.outcome(identity) for identity in identities] == ["superseded"] * 7 + ["duplicate"]


def test_the_lease_is_kept_where_an_unanswered_put_may_still_arrive(desk: Desk) -> None:
    desk.worker.record_stored(desk.claim(UPLOAD), PICTURE, TENANT, in_doubt=True)
    assert desk.outcome(UPLOAD) == "duplicate"
    assert desk.is_busy(NEWER)
    desk.now += LEASE + 1
    assert desk.outcome(NEWER) == "stored"
