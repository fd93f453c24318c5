"""Any event shape to uploads, and back."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_ingest.events import (
    Ignored,
    Unrecognised,
    format_notification,
    is_sqs_batch,
    parse_batch_tasks,
    parse_event,
    parse_message,
)
from image_ingest.upload import Removal, Upload
from tests import ROOT

EVENTS = ROOT / "events"
BUCKET = "superoffice-photos-1f2e3d4c5b6a"
PHOTO = Upload(
    BUCKET,
    "employees/4711.jpg",
    "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH",
    "0055AED6DCD90281E5",
    "2026-10-05T09:52:01.934Z",
    "d41d8cd98f00b204e9800998ecf8427e",
)
LOGO = Upload(
    BUCKET,
    "projects/logo (new).png",
    "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
    "00617F08299329D189",
    "2026-10-05T09:52:01Z",
    "b1946ac92492d2347c6235b4d2611184",
)


def sample(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def body(name: str) -> str:
    return str(sample(name)["Records"][0]["body"])


def test_an_s3_notification_holds_an_upload() -> None:
    assert parse_event(sample("s3-put")) == [PHOTO]


def test_an_eventbridge_event_holds_an_upload_with_a_plain_key() -> None:
    assert parse_event(sample("eventbridge-object-created")) == [LOGO]


@pytest.mark.parametrize(("name", "upload"), [("sqs-s3", PHOTO), ("sqs-sns", PHOTO), ("sqs-eventbridge", LOGO)])
def test_a_message_holds_either_also_in_an_sns_envelope(name: str, upload: Upload) -> None:
    assert is_sqs_batch(sample(name))
    assert parse_message(body(name)) == [upload]


def test_several_records_are_several_uploads() -> None:
    keys = [notice.key for notice in parse_event(sample("s3-two-records")) or [] if isinstance(notice, Upload)]
    assert keys == ["employees/4711.jpg", "employees/4712.jpg"]


def test_test_events_are_ignored() -> None:
    assert isinstance(parse_message(body("sqs-test-event"))[0], Ignored)
    (item,) = parse_event(sample("s3-test-event")) or []
    assert isinstance(item, Ignored)


def test_a_deletion_is_a_removal_and_survives_the_way_through_its_notification() -> None:
    (removal,) = parse_event(sample("s3-object-removed")) or []
    assert removal == Removal(
        BUCKET,
        "employees/4711.jpg",
        "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH",
        "0055AED6DCD90281E9",
        "2026-10-05T09:52:01.934Z",
    )
    assert json.loads(format_notification(removal)) == sample("s3-object-removed")


def deleted(reason: str, deletion_type: str) -> dict[str, Any]:
    event: dict[str, Any] = sample("eventbridge-object-created")
    detail = event["detail"] | {"reason": reason, "deletion-type": deletion_type}
    return event | {"detail-type": "Object Deleted", "detail": detail}


@pytest.mark.parametrize(
    ("deletion_type", "name"),
    [("Delete Marker Created", "DeleteMarkerCreated"), ("Permanently Deleted", "Delete")],
)
def test_eventbridges_deletion_is_written_as_s3_would(deletion_type: str, name: str) -> None:
    (removal,) = parse_event(deleted("DeleteObject", deletion_type)) or []
    assert isinstance(removal, Removal)
    notification = format_notification(removal)
    (record,) = json.loads(notification)["Records"]
    assert record["eventName"] == f"ObjectRemoved:{name}"
    assert parse_message(notification) == [removal]


def test_what_expired_by_a_lifecycle_rule_is_ignored() -> None:
    (item,) = parse_event(deleted("Lifecycle Expiration", "Delete Marker Created")) or []
    assert isinstance(item, Ignored)
    for name in ("LifecycleExpiration:Delete", "s3:LifecycleExpiration:DeleteMarkerCreated"):
        event = sample("s3-object-removed")
        event["Records"][0]["eventName"] = name
        assert isinstance((parse_event(event) or [])[0], Ignored)


@pytest.mark.parametrize("name", ["s3-batch-1.0", "s3-batch-2.0"])
def test_a_batch_job_holds_tasks_without_sequencer_and_time(name: str) -> None:
    tasks = parse_batch_tasks(sample(name))
    assert tasks is not None
    assert [task.upload for task in tasks] == [Upload(PHOTO.bucket, PHOTO.key, PHOTO.version_id)]


def test_a_batch_key_with_a_plus_can_be_read_in_two_ways() -> None:
    event = sample("s3-batch-2.0")
    event["tasks"][0]["s3Key"] = "a+b%2Bc.jpg"
    (task,) = parse_batch_tasks(event) or []
    assert task.upload is not None
    assert task.upload.key == "a b+c.jpg"
    assert task.upload.use_other_key().key == "a+b+c.jpg"


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"Records": "x"},
        {"detail-type": "Object Deleted", "source": "aws.s3", "detail": {}},
        {"detail-type": "Object Created", "source": "my.app", "detail": sample("eventbridge-object-created")["detail"]},
        {"detail-type": "Object Created", "source": "aws.s3", "detail": {"bucket": {"name": "b"}}},
    ],
)
def test_anything_else_is_no_upload_event(event: object) -> None:
    assert parse_event(event) is None
    text = json.dumps(event)
    assert parse_message(text) == [Unrecognised(text)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record.update(eventSource="aws:other"),
        lambda record: record.update(eventName="ObjectTagging:Put"),
        lambda record: record.pop("s3"),
        lambda record: record["s3"]["bucket"].update(name="no/bucket"),
        lambda record: record["s3"]["object"].update(key=""),
        lambda record: record["s3"]["object"].update(key=7),
        lambda record: record["s3"]["object"].update(key="\ud800"),
        lambda record: record["s3"]["object"].update(key="a" * 1025),
        lambda record: record["s3"]["object"].update(versionId="\n"),
    ],
)
def test_an_unusable_record_is_told_apart_from_its_neighbour(spoil: Any) -> None:
    event = sample("s3-two-records")
    spoil(event["Records"][0])
    first, second = parse_message(json.dumps(event))
    assert isinstance(first, Unrecognised)
    assert json.loads(first.body) == {"Records": [event["Records"][0]]}
    assert isinstance(second, Upload)


def test_a_dead_letter_is_the_notification_of_exactly_one_upload() -> None:
    event = sample("s3-two-records")
    (_, second) = parse_event(event) or []
    assert isinstance(second, Upload)
    assert json.loads(format_notification(second)) == {"Records": [event["Records"][1]]}


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(keys, st.none() | st.just("v1"), st.none() | st.text("0123456789ABCDEF", min_size=1, max_size=20))
def test_any_upload_survives_the_way_through_its_notification(
    key: str, version_id: str | None, sequencer: str | None
) -> None:
    upload = Upload("b-1", key, version_id, sequencer, "2026-10-05T09:52:01Z", "abc")
    assert parse_message(format_notification(upload)) == [upload]


@given(keys)
def test_keys_of_notifications_are_form_url_encoded(key: str) -> None:
    event = sample("s3-put")
    event["Records"][0]["s3"]["object"]["key"] = quote_plus(key, safe="/")
    (notice,) = parse_event(event) or []
    assert isinstance(notice, Upload)
    assert notice.key == key


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Records", "s3", "bucket", "object", "key", "name", "eventSource", "Type", "Message", "detail"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_no_json_raises(value: Any) -> None:
    assert is_sqs_batch(value) in {True, False}
    parse_event(value)
    parse_batch_tasks(value)
    assert isinstance(parse_message(json.dumps(value)), list)


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    assert isinstance(parse_message(text), list)
