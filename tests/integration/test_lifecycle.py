"""The picture's whole life: deleted objects, pictures that people set, and outcome events."""

from __future__ import annotations

import io
import json
from typing import Any
from unittest import mock

import boto3
import pytest
from PIL import Image

from image_ingest.errors import Deferred, IngestDeferred
from image_ingest.superoffice import SuperOffice
from tests.support.stack import BUCKET, REGION, TABLE, MotoStack, photo


def removal(stack: MotoStack, key: str, name: str = "ObjectRemoved:DeleteMarkerCreated") -> dict[str, Any]:
    """Deletes the object as a user does. Its notification's record."""
    marker = stack.s3.delete_object(Bucket=BUCKET, Key=key).get("VersionId")
    return stack.record(key, marker, 0, "") | {"eventName": name}


def set_by_hand(stack: MotoStack, person: int = 1) -> None:
    """Somebody sets another picture in SuperOffice's own client."""
    file = io.BytesIO()
    Image.new("RGB", (33, 44), "black").save(file, "PNG")
    stack.superoffice.set_picture("person", person, file.getvalue())


def methods(stack: MotoStack) -> list[str]:
    return [call.method for call in stack.superoffice.calls]


# --- deleted objects ------------------------------------------------------------------------------------------------


@pytest.fixture
def removing(stack: MotoStack) -> MotoStack:
    stack.settings["REMOVE_WHEN_DELETED"] = "true"
    return stack


def test_a_deleted_photo_takes_its_picture_with_it(removing: MotoStack) -> None:
    removing.result(removing.put("x.jpg", photo()))
    row = removing.result(removal(removing, "x.jpg"))
    assert (row["outcome"], row["entity_type"], row["entity_id"], row["blob_id"]) == ("removed", "person", 1, None)
    assert removing.superoffice.picture("person", 1) is None
    assert methods(removing)[-1] == "DELETE"
    item = removing.item()
    assert item["status"] == "removed"
    of_the_picture = {"blob_id", "bucket", "key", "version_id", "content_type", "width", "height", "sha256"}
    assert item.keys().isdisjoint(of_the_picture)
    assert item["tenant"]


def test_without_the_setting_a_deletion_requests_nothing(stack: MotoStack) -> None:
    stack.result(stack.put("x.jpg", photo()))
    assert stack.result(removal(stack, "x.jpg"))["outcome"] == "ignored"
    assert stack.superoffice.picture("person", 1) is not None


@pytest.mark.parametrize("name", ["LifecycleExpiration:Delete", "LifecycleExpiration:DeleteMarkerCreated"])
def test_an_expired_photo_keeps_its_picture(removing: MotoStack, name: str) -> None:
    removing.result(removing.put("x.jpg", photo()))
    assert removing.result(removal(removing, "x.jpg", name))["outcome"] == "ignored"
    assert removing.superoffice.picture("person", 1) is not None


def deleted_by_eventbridge(record: dict[str, Any], reason: str) -> dict[str, Any]:
    obj = record["s3"]["object"]
    return {
        "source": "aws.s3",
        "detail-type": "Object Deleted",
        "time": record["eventTime"],
        "detail": {
            "bucket": {"name": BUCKET},
            "object": {"key": obj["key"], "version-id": obj["versionId"], "sequencer": obj["sequencer"]},
            "reason": reason,
            "deletion-type": "Delete Marker Created",
        },
    }


@pytest.mark.parametrize(("reason", "outcome"), [("DeleteObject", "removed"), ("Lifecycle Expiration", "ignored")])
def test_eventbridge_says_why_an_object_was_deleted(removing: MotoStack, reason: str, outcome: str) -> None:
    removing.result(removing.put("x.jpg", photo()))
    (row,) = removing.invoke(deleted_by_eventbridge(removal(removing, "x.jpg"), reason))["results"]
    assert row["outcome"] == outcome


def test_a_deletion_that_is_delivered_again_makes_no_call(removing: MotoStack) -> None:
    removing.result(removing.put("x.jpg", photo()))
    record = removal(removing, "x.jpg")
    assert [removing.result(record)["outcome"] for _ in range(3)] == ["removed"] * 3
    assert methods(removing).count("DELETE") == 1


def test_a_deletion_of_another_object_for_the_target_requests_nothing(removing: MotoStack) -> None:
    removing.result(removing.put("old.jpg", photo("red")))
    removing.result(removing.put("new.jpg", photo()))
    assert removing.result(removal(removing, "old.jpg"))["outcome"] == "ignored"
    assert removing.superoffice.picture("person", 1) is not None


def test_a_deletion_before_the_newest_upload_is_superseded(removing: MotoStack) -> None:
    removing.result(removing.put("x.jpg", photo("red")))
    record = removal(removing, "x.jpg")
    removing.result(removing.put("x.jpg", photo()))
    assert removing.result(record)["outcome"] == "superseded"
    assert removing.superoffice.picture("person", 1) is not None


def test_an_object_that_exists_again_keeps_the_picture_until_it_is_stored(removing: MotoStack) -> None:
    removing.result(removing.put("x.jpg", photo("red")))
    record = removal(removing, "x.jpg")
    removing.put("x.jpg", photo())
    assert removing.result(record)["outcome"] == "ignored"


def test_after_a_deletion_an_older_upload_is_superseded_and_a_newer_one_stored(removing: MotoStack) -> None:
    older = removing.put("older.jpg", photo("red"))
    removing.result(removing.put("x.jpg", photo()))
    newer = removing.put("newer.jpg", photo("blue"))
    newer["eventTime"] = "2026-10-05T11:00:00.000Z"
    removing.result(removal(removing, "x.jpg"))
    assert [removing.result(record)["outcome"] for record in (older, newer)] == ["superseded", "stored"]
    assert removing.item()["status"] == "stored"


def test_the_target_of_a_deleted_object_is_that_of_its_newest_version(removing: MotoStack) -> None:
    removing.result(removing.put("x.jpg", photo("red"), "person#1"))
    removing.result(removing.put("x.jpg", photo(), "person#2"))
    removing.put("x.jpg.bak", photo(), "person#3")
    assert removing.result(removal(removing, "x.jpg"))["entity_id"] == 2


def test_without_a_version_left_the_key_names_the_target(removing: MotoStack) -> None:
    removing.settings["TARGET_KEY_PATTERN"] = r"(?P<entity_type>\w+)/(?P<entity_id>\d+)"
    uploads = [removing.put("person/1.jpg", photo(), None), removing.put("x.jpg", photo(), "person#2")]
    assert [removing.result(record)["outcome"] for record in uploads] == ["stored", "stored"]
    records = []
    for upload in uploads:
        obj = upload["s3"]["object"]
        removing.s3.delete_object(Bucket=BUCKET, Key=obj["key"], VersionId=obj["versionId"])
        records.append(removing.record(obj["key"], obj["versionId"], 0, "") | {"eventName": "ObjectRemoved:Delete"})
    assert [removing.result(record)["outcome"] for record in records] == ["removed", "ignored"]
    assert removing.superoffice.picture("person", 1) is None
    assert removing.superoffice.picture("person", 2) is not None


def test_a_deletion_without_a_picture_in_superoffice_is_settled(removing: MotoStack) -> None:
    removing.result(removing.put("x.jpg", photo()))
    removing.superoffice.remove_picture("person", 1)
    assert removing.result(removal(removing, "x.jpg"))["outcome"] == "removed"


def test_a_deletion_that_fails_is_retried_dead_lettered_and_replayed(removing: MotoStack) -> None:
    removing.result(removing.put("x.jpg", photo()))
    removing.superoffice.fail(times=None, status=403, body='{"Error": true, "ErrorMessage": "No."}')
    removing.notify(removal(removing, "x.jpg"))
    assert removing.trigger() == []
    assert removing.item()["status"] == "rejected"
    (letter,) = removing.dead_letters()
    assert (letter["ErrorCode"], letter["EntityId"]) == ("superoffice.forbidden", "1")
    removing.superoffice.clear_faults()
    removing.send(letter["body"])
    assert removing.trigger() == []
    assert removing.item()["status"] == "removed"
    assert removing.superoffice.picture("person", 1) is None


def test_while_a_worker_has_the_target_a_deletion_waits(removing: MotoStack) -> None:
    removing.result(removing.put("x.jpg", photo()))
    removing.dynamodb.update_item(
        TableName=TABLE,
        Key={"target": {"S": "person#1"}},
        UpdateExpression="SET lease_until = :later",
        ExpressionAttributeValues={":later": {"N": "99999999999"}},
    )
    with pytest.raises(IngestDeferred, match=r"target\.busy"):
        removing.result(removal(removing, "x.jpg"))


def test_a_deletion_that_keeps_crashing_the_worker_is_rejected(removing: MotoStack) -> None:
    removing.result(removing.put("x.jpg", photo()))
    record = removal(removing, "x.jpg")
    for _ in range(3):
        with (
            mock.patch("image_ingest.superoffice.SuperOffice.delete_image", side_effect=SystemExit),
            pytest.raises(SystemExit),
        ):
            removing.result(record)
        removing.cold()
        removing.dynamodb.update_item(
            TableName=TABLE,
            Key={"target": {"S": "person#1"}},
            UpdateExpression="SET lease_until = :past",
            ExpressionAttributeValues={":past": {"N": "1"}},
        )
    assert removing.result(record)["error_code"] == "worker.crashed"
    assert removing.result(record)["outcome"] == "removed"


def test_a_deletion_without_a_time_cannot_be_ordered(removing: MotoStack) -> None:
    removing.result(removing.put("x.jpg", photo()))
    record = removal(removing, "x.jpg")
    del record["eventTime"]
    assert removing.result(record)["error_code"] == "event.unrecognised"
    assert removing.superoffice.picture("person", 1) is not None


def test_an_object_that_is_deleted_before_its_target_is_claimed_is_not_stored(removing: MotoStack) -> None:
    """Its removal may have been settled between the two."""
    upload = removing.put("x.jpg", photo())
    outcomes: list[str] = []

    def delete_meanwhile(*_: object, **__: object) -> str:
        if not outcomes:
            outcomes.append("")
            outcomes[0] = removing.result(removal(removing, "x.jpg"))["outcome"]
        return "tenant"

    with mock.patch("image_ingest.superoffice.SuperOffice.tenant", side_effect=delete_meanwhile):
        assert removing.result(upload)["outcome"] == "ignored"
    assert outcomes == ["ignored"]
    assert removing.superoffice.picture("person", 1) is None


# --- pictures that people set ---------------------------------------------------------------------------------------


def test_an_upload_replaces_its_stacks_own_picture_only(stack: MotoStack) -> None:
    stack.settings["REPLACE_PICTURES"] = "own"
    outcomes = [stack.result(stack.put("x.jpg", photo(colour)))["outcome"] for colour in ("red", "green", "blue")]
    set_by_hand(stack)
    calls = len(stack.superoffice.calls)
    row = stack.result(stack.put("x.jpg", photo("white")))
    assert [*outcomes, row["outcome"]] == ["stored", "stored", "stored", "kept"]
    assert len(stack.superoffice.calls) == calls + 1
    assert (row["error_code"], row["blob_id"]) == (None, None)
    assert stack.item()["status"] == "kept"
    assert stack.dead_letters() == []
    picture = stack.superoffice.picture("person", 1)
    assert picture is not None
    assert (picture.width, picture.height) == (33, 44)


def test_a_record_whose_picture_a_person_deleted_is_filled_again(stack: MotoStack) -> None:
    stack.settings["REPLACE_PICTURES"] = "own"
    stack.result(stack.put("x.jpg", photo()))
    set_by_hand(stack)
    assert stack.result(stack.put("x.jpg", photo("red")))["outcome"] == "kept"
    stack.superoffice.remove_picture("person", 1)
    assert stack.result(stack.put("x.jpg", photo("blue")))["outcome"] == "stored"


def test_only_empty_records_are_filled_where_the_operator_said_never(stack: MotoStack) -> None:
    stack.settings["REPLACE_PICTURES"] = "never"
    set_by_hand(stack, 2)
    uploads = [stack.put("x.jpg", photo()), stack.put("x.jpg", photo("red")), stack.put("y.jpg", photo(), "person#2")]
    assert [stack.result(upload)["outcome"] for upload in uploads] == ["stored", "kept", "kept"]


def test_what_was_stored_before_the_setting_counts_as_the_stacks_own(stack: MotoStack) -> None:
    stack.result(stack.put("x.jpg", photo()))
    stack.cold()
    stack.settings["REPLACE_PICTURES"] = "own"
    assert stack.result(stack.put("x.jpg", photo("red")))["outcome"] == "stored"


@pytest.mark.parametrize("mode", ["own", "never"])
@pytest.mark.parametrize("stores", [True, False])
def test_a_put_whose_response_was_lost_is_sent_again(stack: MotoStack, mode: str, stores: bool) -> None:
    stack.settings["REPLACE_PICTURES"] = mode
    stack.superoffice.fail(times=3, drop=True, stores=stores, path="/Image", method="PUT")
    record = stack.put("x.jpg", photo())
    with pytest.raises(IngestDeferred):
        stack.result(record)
    end_lease(stack)
    assert stack.result(record)["outcome"] == "stored"


@pytest.mark.parametrize("mode", ["own", "never"])
def test_a_put_that_failed_after_one_whose_response_was_lost_is_sent_again(stack: MotoStack, mode: str) -> None:
    stack.settings["REPLACE_PICTURES"] = mode
    record = stack.put("x.jpg", photo())
    for stores in (True, False, False):
        stack.superoffice.fail(status=500, stores=stores, path="/Image", method="PUT")
        with pytest.raises(IngestDeferred):
            stack.result(record)
        end_lease(stack)
    assert stack.result(record)["outcome"] == "stored"


def test_a_newer_upload_replaces_a_picture_whose_put_was_never_recorded(stack: MotoStack) -> None:
    stack.settings["REPLACE_PICTURES"] = "own"
    stack.superoffice.fail(times=3, drop=True, stores=True, path="/Image", method="PUT")
    with pytest.raises(IngestDeferred):
        stack.result(stack.put("x.jpg", photo(size=(80, 70))))
    end_lease(stack)
    assert stack.result(stack.put("x.jpg", photo("red")))["outcome"] == "stored"


def test_a_put_that_failed_where_such_a_picture_is_shown_is_sent_again(stack: MotoStack) -> None:
    stack.settings["REPLACE_PICTURES"] = "own"
    first, second = stack.put("x.jpg", photo(size=(80, 70))), stack.put("x.jpg", photo("red"))
    for record, stores in ((first, True), (second, False)):
        stack.superoffice.fail(status=500, stores=stores, path="/Image", method="PUT")
        with pytest.raises(IngestDeferred):
            stack.result(record)
        end_lease(stack)
    assert stack.result(second)["outcome"] == "stored"


def test_a_picture_that_a_person_set_after_a_lost_put_is_kept(stack: MotoStack) -> None:
    stack.settings["REPLACE_PICTURES"] = "own"
    stack.superoffice.fail(times=3, drop=True, stores=True, path="/Image", method="PUT")
    record = stack.put("x.jpg", photo(size=(80, 70)))
    with pytest.raises(IngestDeferred):
        stack.result(record)
    end_lease(stack)
    set_by_hand(stack)
    assert stack.result(record)["outcome"] == "kept"


@pytest.mark.parametrize("by_hand", [False, True])
def test_an_upload_is_recognised_although_superoffice_said_nothing_of_it(stack: MotoStack, by_hand: bool) -> None:
    stack.settings["REPLACE_PICTURES"] = "own"
    info = SuperOffice.image_info

    def fail_second(client: SuperOffice, *arguments: Any) -> Any:
        if stack.superoffice.find_calls("PUT"):
            raise Deferred("superoffice.unavailable", "no response")
        return info(client, *arguments)

    with mock.patch.object(SuperOffice, "image_info", fail_second):
        assert stack.result(stack.put("x.jpg", photo()))["outcome"] == "stored"
    if by_hand:
        set_by_hand(stack)
    assert stack.result(stack.put("x.jpg", photo("red")))["outcome"] == ("kept" if by_hand else "stored")


def test_a_picture_that_a_person_set_right_after_the_put_is_not_taken_for_the_stacks_own(stack: MotoStack) -> None:
    stack.settings["REPLACE_PICTURES"] = "own"
    put = SuperOffice.put_image

    def put_and_be_overtaken(client: SuperOffice, *arguments: Any) -> int:
        blob_id = put(client, *arguments)
        set_by_hand(stack)
        return blob_id

    with mock.patch.object(SuperOffice, "put_image", put_and_be_overtaken):
        assert stack.result(stack.put("x.jpg", photo()))["outcome"] == "stored"
    assert stack.result(stack.put("x.jpg", photo("red")))["outcome"] == "kept"


def test_a_deletion_keeps_a_picture_that_a_person_set(stack: MotoStack) -> None:
    stack.settings |= {"REPLACE_PICTURES": "own", "REMOVE_WHEN_DELETED": "true"}
    stack.result(stack.put("x.jpg", photo()))
    set_by_hand(stack)
    assert stack.result(removal(stack, "x.jpg"))["outcome"] == "kept"
    assert "DELETE" not in methods(stack)


def end_lease(stack: MotoStack) -> None:
    stack.dynamodb.update_item(
        TableName=TABLE,
        Key={"target": {"S": "person#1"}},
        UpdateExpression="SET lease_until = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )


# --- outcome events -------------------------------------------------------------------------------------------------


class Bus:
    """An EventBridge bus whose events go to a queue."""

    def __init__(self, stack: MotoStack) -> None:
        self._sqs = stack.sqs
        events = boto3.client("events", REGION)
        self.arn = events.create_event_bus(Name="outcomes")["EventBusArn"]
        self._queue = stack.sqs.create_queue(QueueName="outcomes")["QueueUrl"]
        attributes = stack.sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]
        pattern = json.dumps({"source": ["superoffice.image-ingest"]})
        events.put_rule(Name="all", EventBusName="outcomes", EventPattern=pattern)
        events.put_targets(
            Rule="all", EventBusName="outcomes", Targets=[{"Id": "queue", "Arn": attributes["QueueArn"]}]
        )

    def receive(self) -> list[dict[str, Any]]:
        """Takes every event."""
        events: list[dict[str, Any]] = []
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                events.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return events


@pytest.fixture
def bus(stack: MotoStack) -> Bus:
    return Bus(stack)


@pytest.mark.parametrize("by", ["name", "arn"])
def test_every_settled_upload_is_reported_to_the_bus(stack: MotoStack, bus: Bus, by: str) -> None:
    stack.settings["OUTCOME_EVENT_BUS"] = "outcomes" if by == "name" else bus.arn
    stored, broken = stack.put("x.jpg", photo()), stack.put("y.jpg", b"text", "person#2")
    rows = [stack.result(record) for record in (stored, stored, broken)]
    stack.superoffice.fail(times=1, status=429)
    with pytest.raises(IngestDeferred):
        stack.result(stack.put("z.jpg", photo("red"), "person#3"))
    stack.result(stack.put("folder/", b"", None))
    events = bus.receive()
    assert {(event["source"], event["detail-type"]) for event in events} == {
        ("superoffice.image-ingest", "Upload Settled")
    }
    assert [event["detail"]["outcome"] for event in events] == ["stored", "duplicate", "rejected"]
    tenant = stack.item()["tenant"]
    assert [event["detail"] for event in events] == [{**row, "tenant": tenant} for row in rows]


def test_an_upload_that_the_bus_does_not_accept_is_deferred_and_reported_again(stack: MotoStack, bus: Bus) -> None:
    stack.settings["OUTCOME_EVENT_BUS"] = "outcomes"
    record = stack.put("x.jpg", photo())
    refused = [{"ErrorCode": "ThrottlingException", "ErrorMessage": ""}]
    with (
        mock.patch("moto.events.models.EventsBackend.put_events", return_value=refused),
        pytest.raises(IngestDeferred, match=r"aws\.unavailable.*ThrottlingException"),
    ):
        stack.result(record)
    assert bus.receive() == []
    assert stack.item()["status"] == "stored"
    assert stack.result(record)["outcome"] == "duplicate"
    (event,) = bus.receive()
    assert (event["detail"]["outcome"], event["detail"]["blob_id"]) == ("duplicate", stack.item()["blob_id"])
    assert len(stack.superoffice.calls) == 1


def test_a_rejection_is_reported_again_and_dead_lettered_once(stack: MotoStack, bus: Bus) -> None:
    stack.settings["OUTCOME_EVENT_BUS"] = "outcomes"
    message = stack.message(json.dumps({"Records": [stack.put("x.jpg", b"text")]}))
    refused = [{"ErrorCode": "InternalFailure", "ErrorMessage": ""}]
    with mock.patch("moto.events.models.EventsBackend.put_events", return_value=refused):
        assert len(stack.invoke({"Records": [message]})["batchItemFailures"]) == 1
    message["attributes"]["ApproximateReceiveCount"] = "2"
    assert stack.invoke({"Records": [message]})["batchItemFailures"] == []
    assert [event["detail"]["outcome"] for event in bus.receive()] == ["rejected"]
    assert len(stack.dead_letters()) == 1


def test_an_outcome_that_the_bus_never_accepts_is_dead_lettered(stack: MotoStack, bus: Bus) -> None:
    stack.settings |= {"OUTCOME_EVENT_BUS": "outcomes", "MAX_ATTEMPTS": "2"}
    message = stack.message(json.dumps({"Records": [stack.put("x.jpg", photo())]}), receives=2)
    refused = [{"ErrorCode": "InternalFailure", "ErrorMessage": ""}]
    with mock.patch("moto.events.models.EventsBackend.put_events", return_value=refused):
        assert stack.invoke({"Records": [message]})["batchItemFailures"] == []
    (letter,) = stack.dead_letters()
    assert letter["ErrorCode"] == "aws.unavailable"
    stack.send(letter["body"])
    stack.trigger()
    assert [event["detail"]["outcome"] for event in bus.receive()] == ["duplicate"]
