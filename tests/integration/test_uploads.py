"""One upload's story, from its event to its outcome."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO
from unittest import mock

import pytest
from moto.sqs.models import sqs_backends
from PIL import Image

from image_ingest.aws.objects import Objects, StoredObject
from image_ingest.errors import Deferred, IngestDeferred
from image_ingest.ledger import Ledger
from image_ingest.settings import InvalidSettings
from sandbox.superoffice import AUTHS
from tests.support.stack import ACCOUNT, BUCKET, REGION, SECRET, TABLE, Context, MotoStack, photo
from tests.support.trickle import serve_trickle


def test_a_photo_becomes_the_picture_and_its_blob_id_is_on_record(stack: MotoStack) -> None:
    row = stack.result(stack.put("employees/a b+ö.jpg", photo(size=(2000, 1000)), "person#0042"))
    picture = stack.superoffice.picture("person", 42)
    assert picture is not None
    assert (picture.width, picture.height, picture.content_type) == (1024, 512, "image/jpeg")
    assert row["outcome"] == "stored"
    assert (row["bucket"], row["key"]) == (BUCKET, "employees/a b+ö.jpg")
    assert (row["entity_type"], row["entity_id"], row["blob_id"]) == ("person", 42, picture.blob_id)
    assert (row["error_code"], row["message"]) == (None, None)
    item = stack.item("person#42")
    assert (item["status"], item["blob_id"], item["key"]) == ("stored", picture.blob_id, "employees/a b+ö.jpg")
    assert item["version_id"] == row["version_id"]
    assert (item["width"], item["height"], item["content_type"]) == (1024, 512, "image/jpeg")
    assert item["tenant"] == stack.superoffice.secret("basic")["base_url"].rstrip("/")
    assert item["updated_at"].endswith("Z")
    assert stack.dead_letters() == []


@pytest.mark.parametrize("entity_type", ["person", "project", "contact", "product"])
def test_all_four_entities_take_pictures(stack: MotoStack, entity_type: str) -> None:
    assert stack.result(stack.put("x.png", photo(kind="PNG"), f"{entity_type}#7"))["outcome"] == "stored"
    assert stack.superoffice.picture(entity_type, 7) is not None


def test_a_product_is_never_above_a_thousand_pixels(stack: MotoStack) -> None:
    stack.settings["IMAGE_MAX_WIDTH"] = "1500"
    stack.result(stack.put("x.jpg", photo(size=(1600, 400)), "product#7"))
    stack.result(stack.put("x.jpg", photo(size=(1600, 400)), "contact#7"))
    product, contact = stack.superoffice.picture("product", 7), stack.superoffice.picture("contact", 7)
    assert product is not None
    assert contact is not None
    assert (product.width, contact.width) == (1000, 1500)


def test_the_key_names_the_target_where_the_operator_said_so(stack: MotoStack) -> None:
    stack.settings["TARGET_KEY_PATTERN"] = r"(?P<entity_type>\w+)/(?P<entity_id>\d+)\."
    assert stack.result(stack.put("Project/12.jpg", photo(), None))["entity_id"] == 12


def test_exactly_the_version_of_the_event_is_read(stack: MotoStack) -> None:
    first = stack.put("x.jpg", photo("red"))
    second = stack.put("x.jpg", photo("blue"))
    for record, colour in ((first, (254, 0, 0)), (second, (0, 0, 254))):
        assert stack.result(record)["outcome"] == "stored"
        picture = stack.superoffice.picture("person", 1)
        assert picture is not None
        assert Image.open(io.BytesIO(picture.data)).getpixel((5, 5)) == colour


def test_without_versioning_the_object_as_it_is_is_read(stack: MotoStack) -> None:
    stack.s3.create_bucket(Bucket="plain", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    metadata = {"entity-type": "person", "entity-id": "1"}
    stack.s3.put_object(Bucket="plain", Key="x.jpg", Body=photo(), Metadata=metadata)
    record = stack.record("x.jpg", None, 1, "etag")
    record["s3"]["bucket"]["name"] = "plain"
    row = stack.result(record)
    assert (row["outcome"], row["version_id"]) == ("stored", None)
    assert "version_id" not in stack.item()
    assert stack.result(record)["outcome"] == "duplicate"


REFUSALS = [
    ("target.missing", {"target": None}, photo()),
    ("target.unknown-entity-type", {"target": "associate#1"}, photo()),
    ("target.invalid-id", {"target": "person#0"}, photo()),
    ("object.empty", {}, b""),
    ("object.too-large", {}, b"x" * 100_001),
    ("object.archived", {"StorageClass": "GLACIER"}, photo()),
    ("image.unsupported-format", {}, b"This is a text, whatever its name says."),
    ("image.unsupported-format", {}, b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
    ("image.unreadable", {}, photo(size=(600, 600))[:-200]),
    ("image.too-many-pixels", {}, photo(size=(1001, 1000))),
    ("superoffice.bad-request", {"target": "person#2000000000"}, photo()),
    ("superoffice.not-found", {"target": "project#2000000000"}, photo()),
]


@pytest.mark.parametrize(("code", "how", "data"), REFUSALS, ids=[f"{r[0]}-{i}" for i, r in enumerate(REFUSALS)])
def test_what_will_never_work_is_dead_lettered_at_once(
    stack: MotoStack, code: str, how: dict[str, str], data: bytes
) -> None:
    stack.settings |= {"IMAGE_MAX_SOURCE_BYTES": "100000", "IMAGE_MAX_SOURCE_PIXELS": "1000000"}
    record = stack.put("x.jpg", data, **how)
    stack.notify(record)
    assert stack.trigger() == []
    assert stack.waiting() == 0
    (letter,) = stack.dead_letters()
    assert (letter["ErrorCode"], letter["Attempts"]) == (code, "1")
    assert letter["ErrorMessage"]
    assert json.loads(letter["body"]) == {"Records": [record]}
    known = not code.startswith("target.")
    assert ("EntityType" in letter, "EntityId" in letter) == (known, known)
    if known:
        item = stack.item(how.get("target", "person#1"))
        assert (item["status"], item["error_code"]) == ("rejected", code)
        assert item["error_message"] == letter["ErrorMessage"]
        assert "blob_id" not in item


def test_a_console_folder_is_ignored(stack: MotoStack) -> None:
    assert stack.result(stack.put("employees/", b"", None))["outcome"] == "ignored"


def test_what_was_deleted_since_is_ignored(stack: MotoStack) -> None:
    gone = stack.put("gone.jpg", photo())
    stack.s3.delete_object(Bucket=BUCKET, Key="gone.jpg", VersionId=gone["s3"]["object"]["versionId"])
    marked = stack.put("marked.jpg", photo())
    stack.s3.delete_object(Bucket=BUCKET, Key="marked.jpg")
    overwritten = stack.put("again.jpg", photo())
    stack.put("again.jpg", photo())
    stack.s3.delete_object(Bucket=BUCKET, Key="again.jpg", VersionId=overwritten["s3"]["object"]["versionId"])
    never = stack.record("never.jpg", None, 1, "etag")
    for record in (gone, marked, overwritten, never):
        assert stack.result(record)["outcome"] == "ignored"
    assert stack.superoffice.pictures("person", 1) == []
    assert stack.dead_letters() == []


def test_an_event_whose_version_is_a_delete_marker_is_ignored(stack: MotoStack) -> None:
    stack.put("x.jpg", photo())
    marker = stack.s3.delete_object(Bucket=BUCKET, Key="x.jpg")["VersionId"]
    row = stack.result(stack.record("x.jpg", marker, 0, "etag"))
    assert (row["outcome"], row["version_id"], row["error_code"]) == ("ignored", marker, None)
    assert row["message"] == "There is no such object: it was deleted since, or never there."
    assert (stack.item(), stack.dead_letters()) == ({}, [])


def test_an_object_that_never_was_is_ignored(stack: MotoStack) -> None:
    row = stack.result(stack.record("mistyped.jpg", None, 1, "etag"))
    assert (row["outcome"], row["key"], row["version_id"]) == ("ignored", "mistyped.jpg", None)
    assert row["message"] == "There is no such object: it was deleted since, or never there."


def test_the_row_of_an_upload_that_failed_early_names_its_version(stack: MotoStack) -> None:
    record = stack.put("x.jpg", photo(), None)
    row = stack.result(record)
    assert (row["error_code"], row["version_id"]) == ("target.missing", record["s3"]["object"]["versionId"])


def test_the_row_names_the_version_that_was_read_where_the_event_names_none(stack: MotoStack) -> None:
    record = stack.put("x.jpg", b"", None)
    version_id = record["s3"]["object"].pop("versionId")
    assert stack.result(record)["version_id"] == version_id
    folder = stack.put("folder/", b"", None)
    version_id = folder["s3"]["object"].pop("versionId")
    row = stack.result(folder)
    assert (row["outcome"], row["version_id"]) == ("ignored", version_id)


def test_the_longest_key_that_s3_allows_is_accepted(stack: MotoStack) -> None:
    assert stack.result(stack.put("k" * 1024, photo()))["outcome"] == "stored"
    too_long = stack.record("k" * 1025, None, 1, "etag")
    with pytest.raises(ValueError, match=r"event\.unrecognised"):
        stack.result(too_long)


def test_an_invocation_ends_in_time_however_slowly_s3_sends(stack: MotoStack) -> None:
    record = stack.put("x.jpg", photo())
    began = time.monotonic()
    with serve_trickle() as address:
        stack.settings["AWS_ENDPOINT_URL_S3"] = address
        with pytest.raises(IngestDeferred, match=r"worker\.out-of-time"):
            stack.invoke({"Records": [record]}, Context(seconds=10))
    assert time.monotonic() - began < 10


def test_a_duplicate_makes_no_call(stack: MotoStack) -> None:
    record = stack.put("x.jpg", photo())
    stack.result(record)
    before = len(stack.superoffice.calls)
    row = stack.result(record)
    assert (row["outcome"], row["blob_id"]) == ("duplicate", stack.item()["blob_id"])
    assert len(stack.superoffice.calls) == before


def test_an_older_upload_is_superseded_and_a_newer_one_wins(stack: MotoStack) -> None:
    older, stored, newer = (stack.put(key, photo()) for key in ("a.jpg", "b.jpg", "b.jpg"))
    outcomes = [stack.result(record)["outcome"] for record in (stored, older, newer, stored)]
    assert outcomes == ["stored", "superseded", "stored", "superseded"]
    assert len(stack.superoffice.pictures("person", 1)) == 2


def test_a_failed_newer_upload_leaves_the_picture_and_lets_an_older_one_by(stack: MotoStack) -> None:
    first, second = stack.put("a.jpg", photo()), stack.put("a.jpg", photo("red"))
    broken = stack.put("a.jpg", b"no picture")
    blob_id = stack.result(first)["blob_id"]
    assert stack.result(broken)["outcome"] == "rejected"
    item = stack.item()
    assert (item["status"], item["error_code"]) == ("rejected", "image.unsupported-format")
    assert (item["blob_id"], item["version_id"]) == (blob_id, first["s3"]["object"]["versionId"])
    assert stack.result(second)["outcome"] == "stored"
    item = stack.item()
    assert (item["status"], item.get("error_code")) == ("stored", None)


def test_what_is_stored_for_another_tenant_counts_as_never_stored(stack: MotoStack) -> None:
    record = stack.put("x.jpg", photo())
    stack.result(record)
    document = stack.superoffice.secret("basic")
    stack.put_secret({**document, "base_url": document["base_url"].replace("127.0.0.1", "localhost")})
    stack.cold()
    assert stack.result(record)["outcome"] == "stored"
    assert "localhost" in stack.item()["tenant"]


def test_a_tie_of_two_versions_without_sequencer_goes_to_the_later_handled_once(stack: MotoStack) -> None:
    first, second = stack.put("x.jpg", photo("red")), stack.put("x.jpg", photo("blue"))
    for record in (first, second):
        del record["s3"]["object"]["sequencer"]
        record["eventTime"] = "2026-10-05T10:00:00Z"
    outcomes = [stack.result(record)["outcome"] for record in (first, second, first, second, first)]
    assert outcomes == ["stored", "stored", "superseded", "duplicate", "superseded"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="child processes are read from Linux")
def test_the_process_that_decodes_warms_up_while_the_object_is_downloaded(
    stack: MotoStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    download, waiting = Objects.copy, []

    def watched(objects: Objects, obj: StoredObject, file: BinaryIO, limit: int) -> str:
        end = time.monotonic() + 20
        while not (children := _decoding_children()) and time.monotonic() < end:
            time.sleep(0.01)
        waiting.append(children)
        return download(objects, obj, file, limit)

    monkeypatch.setattr(Objects, "copy", watched)
    assert stack.result(stack.put("x.jpg", photo()))["outcome"] == "stored"
    assert len(waiting[0]) == 1


def _decoding_children() -> list[int]:
    servers = [child for child in _children(os.getpid()) if "fork_server" in _command(child)]
    return [child for server in servers for child in _children(server)]


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text(encoding="ascii").split()]


def _command(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8", errors="replace")


def test_unchanged_bytes_cost_no_call_where_the_operator_said_so(
    stack: MotoStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.settings["SKIP_UNCHANGED"] = "true"
    first, same = stack.put("x.jpg", photo()), stack.put("y.jpg", photo())
    blob_id = stack.result(first)["blob_id"]
    calls = len(stack.superoffice.calls)
    row = stack.result(same)
    assert (row["outcome"], row["blob_id"]) == ("unchanged", blob_id)
    assert len(stack.superoffice.calls) == calls
    assert stack.item()["key"] == "y.jpg"
    with monkeypatch.context() as patch:
        patch.delattr(os, "fork")  # no process for what is not decoded
        assert stack.result(stack.put("z.jpg", photo()))["outcome"] == "unchanged"
    stack.settings["IMAGE_JPEG_QUALITY"] = "50"
    stack.cold()
    assert stack.result(stack.put("x.jpg", photo()))["outcome"] == "stored"


@pytest.mark.parametrize(("fit", "outcome"), [("contain", "unchanged"), ("cover", "stored")])
def test_another_crop_changes_the_pictures_that_are_cropped(stack: MotoStack, fit: str, outcome: str) -> None:
    stack.settings |= {"SKIP_UNCHANGED": "true", "IMAGE_FIT": fit}
    stack.result(stack.put("x.jpg", photo()))
    stack.settings["IMAGE_CROP"] = "attention"
    stack.cold()
    assert stack.result(stack.put("x.jpg", photo()))["outcome"] == outcome


def test_an_unchanged_upload_still_overtakes_what_lies_between(stack: MotoStack) -> None:
    stack.settings["SKIP_UNCHANGED"] = "true"
    first, between, last = stack.put("x.jpg", photo()), stack.put("y.jpg", photo("red")), stack.put("x.jpg", photo())
    outcomes = [stack.result(record)["outcome"] for record in (first, last, between)]
    assert outcomes == ["stored", "unchanged", "superseded"]


def test_what_may_work_later_stays_on_the_queue_and_is_tried_again(stack: MotoStack) -> None:
    stack.superoffice.fail(times=100, status=503, headers={"Retry-After": "1"})
    stack.notify(stack.put("x.jpg", photo()))
    assert len(stack.trigger()) == 1
    assert stack.waiting() == 1
    item = stack.item()
    assert (item["status"], item["error_code"]) == ("deferred", "superoffice.unavailable")
    assert stack.dead_letters() == []


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [({}, 24, 30), ({"Retry-After": "7200"}, 7200, 7200), ({"Retry-After": "999999"}, 42_300, 42_300)],
)
def test_it_comes_back_after_our_back_off_or_when_superoffice_says(
    stack: MotoStack, headers: dict[str, str], least: int, most: int
) -> None:
    stack.superoffice.fail(times=100, status=429, headers=headers)
    stack.notify(stack.put("x.jpg", photo()))
    before = time.time()
    stack.trigger()
    (message,) = sqs_backends[ACCOUNT][REGION].queues["ingest"]._messages
    assert least - 1 <= message.visible_at / 1000 - before <= most + 30


def test_a_message_of_several_uploads_comes_back_when_the_last_of_them_can_work(stack: MotoStack) -> None:
    stack.superoffice.fail(times=1, status=429, path="/1/Image", headers={"Retry-After": "7200"})
    stack.superoffice.fail(times=1, status=500, path="/2/Image")
    stack.notify(stack.put("2.jpg", photo(), "person#2"), stack.put("1.jpg", photo(), "person#1"))
    before = time.time()
    stack.trigger()
    (message,) = sqs_backends[ACCOUNT][REGION].queues["ingest"]._messages
    assert message.visible_at / 1000 - before >= 7199


def test_a_stale_receipt_handle_changes_nothing_and_is_logged(
    stack: MotoStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.superoffice.fail(times=1, status=429)
    message = stack.message(json.dumps({"Records": [stack.put("x.jpg", photo())]}))
    message["receiptHandle"] = "from another life"
    assert len(stack.invoke({"Records": [message]})["batchItemFailures"]) == 1
    assert capsys.readouterr().out.count("The queue refused the back-off.") == 1


def test_an_upload_has_one_closing_line_and_its_metrics(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    record = stack.put("x.jpg", photo())
    message = stack.message(json.dumps({"Records": [record]}))
    stack.invoke({"Records": [message]})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metrics,) = [line for line in lines if "_aws" in line]
    assert {"Stored", "SuperOfficeCalls", "SourceBytes", "UploadedBytes", "PictureMilliseconds"} <= metrics.keys()
    (closing,) = [line for line in lines if "_aws" not in line]
    assert closing.pop("milliseconds") >= 0
    assert (
        closing.items()
        >= {
            "message": "upload",
            "correlation_id": message["messageId"],
            "bucket": BUCKET,
            "key": "x.jpg",
            "version_id": record["s3"]["object"]["versionId"],
            "target": "person#1",
            "outcome": "stored",
            "blob_id": stack.item()["blob_id"],
            "source_format": "JPEG",
            "host": "127.0.0.1",
            "http_status": 200,
        }.items()
    )


def test_after_the_last_attempt_a_deferred_upload_is_dead_lettered_with_its_last_code(stack: MotoStack) -> None:
    stack.settings["MAX_ATTEMPTS"] = "3"
    stack.superoffice.fail(times=100, status=429)
    body = json.dumps({"Records": [stack.put("x.jpg", photo())]})
    message = stack.message(body, receives=2)
    assert stack.invoke({"Records": [message]})["batchItemFailures"] == [{"itemIdentifier": message["messageId"]}]
    assert stack.dead_letters() == []
    message["attributes"]["ApproximateReceiveCount"] = "3"
    assert stack.invoke({"Records": [message]})["batchItemFailures"] == []
    (letter,) = stack.dead_letters()
    assert (letter["ErrorCode"], letter["Attempts"]) == ("superoffice.rate-limited", "3")
    assert (stack.item()["status"], stack.item()["error_code"]) == ("rejected", "superoffice.rate-limited")


@pytest.mark.parametrize(("retry_after", "days", "letters"), [(None, 6, 0), (43_200, 6, 0), (43_200, 6.6, 1)])
def test_an_upload_that_the_queue_would_drop_before_its_next_attempt_is_dead_lettered(
    stack: MotoStack, retry_after: int | None, days: float, letters: int
) -> None:
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    stack.superoffice.fail(times=100, status=429, headers=headers)
    message = stack.message(json.dumps({"Records": [stack.put("x.jpg", photo())]}), receives=2)
    message["attributes"]["SentTimestamp"] = str(int((time.time() - days * 24 * 3600) * 1000))
    assert len(stack.invoke({"Records": [message]})["batchItemFailures"]) == 1 - letters
    assert [letter["ErrorCode"] for letter in stack.dead_letters()] == ["superoffice.rate-limited"] * letters
    assert stack.item()["status"] == ("rejected" if letters else "deferred")
    assert stack.item()["error_code"] == "superoffice.rate-limited"


def test_an_upload_that_fails_for_seven_days_is_dead_lettered_however_many_attempts_are_left(stack: MotoStack) -> None:
    stack.settings["MAX_ATTEMPTS"] = "1000"
    stack.superoffice.fail(times=None, status=429)
    message = stack.message(json.dumps({"Records": [stack.put("x.jpg", photo())]}), receives=38)
    message["attributes"]["SentTimestamp"] = str(int((time.time() - 6.9 * 24 * 3600) * 1000))
    assert stack.invoke({"Records": [message]}) == {"batchItemFailures": []}
    (letter,) = stack.dead_letters()
    assert (letter["ErrorCode"], letter["Attempts"]) == ("superoffice.rate-limited", "38")


def crash(stack: MotoStack, record: dict[str, Any]) -> None:
    """The worker dies while it handles this upload, and its lease ends."""
    with mock.patch("image_ingest.picture.Preparation.make_picture", side_effect=SystemExit), pytest.raises(SystemExit):
        stack.result(record)
    stack.cold()
    stack.dynamodb.update_item(
        TableName=TABLE,
        Key={"target": {"S": "person#1"}},
        UpdateExpression="SET lease_until = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )


@pytest.mark.parametrize(("crashes", "code"), [(2, None), (3, "worker.crashed")])
def test_an_upload_that_crashed_the_worker_three_times_is_not_tried_again(
    stack: MotoStack, crashes: int, code: str | None
) -> None:
    record = stack.put("x.jpg", photo())
    for _ in range(crashes):
        crash(stack, record)
    row = stack.result(record)
    assert (row["outcome"], row["error_code"]) == ("rejected" if code else "stored", code)
    assert len(stack.superoffice.calls) == (0 if code else 1)
    if code:
        assert stack.result(record)["outcome"] == "stored", "a replay is tried again from the start"


def test_the_lease_is_kept_where_a_put_was_sent_twice_and_could_not_be_recorded(stack: MotoStack) -> None:
    """The first PUT may still arrive, whatever failed after the second."""
    stack.superoffice.fail(times=1, drop=True, path="/Image", method="PUT")
    failure = Deferred("aws.unavailable", "no response")
    with mock.patch.object(Ledger, "record_stored", side_effect=failure), pytest.raises(IngestDeferred):
        stack.result(stack.put("x.jpg", photo()))
    assert len(stack.superoffice.find_calls("PUT")) == 2
    assert stack.item()["status"] == "deferred"
    with pytest.raises(IngestDeferred, match=r"target\.busy"):
        stack.result(stack.put("x.jpg", photo("red")))


def test_a_dead_letter_sent_to_the_ingest_queue_is_tried_afresh(stack: MotoStack) -> None:
    stack.superoffice.remove("person", 1)
    stack.notify(stack.put("x.jpg", photo()))
    stack.trigger()
    (letter,) = stack.dead_letters()
    stack.superoffice.add("person", 1)
    stack.send(letter["body"])
    assert stack.trigger() == []
    assert stack.item()["status"] == "stored"


def test_of_a_message_with_several_records_only_what_is_left_is_repeated(stack: MotoStack) -> None:
    good = stack.put("a.jpg", photo(), "person#1")
    targetless = stack.put("b.jpg", photo(), None)
    broken = stack.put("c.jpg", b"text", "person#3")
    later = stack.put("d.jpg", photo(), "person#4")
    stack.superoffice.fail(times=1, status=429, path="/Person/4/")
    message = stack.message(json.dumps({"Records": [good, targetless, broken, later]}))
    assert len(stack.invoke({"Records": [message]})["batchItemFailures"]) == 1
    assert {letter["ErrorCode"] for letter in stack.dead_letters()} == {"target.missing", "image.unsupported-format"}
    calls = len(stack.superoffice.calls)
    message["attributes"]["ApproximateReceiveCount"] = "2"
    assert stack.invoke({"Records": [message]})["batchItemFailures"] == []
    again = {letter["ErrorCode"] for letter in stack.dead_letters()}
    assert again == {"target.missing"}, "only an upload without a target, which no item records, is dead-lettered twice"
    assert len(stack.superoffice.calls) == calls + 1
    assert stack.item("person#4")["status"] == "stored"


def test_in_a_batch_only_what_failed_is_reported(stack: MotoStack) -> None:
    stack.superoffice.fail(times=1, status=429, path="/Person/2/")
    records = [stack.put(f"{n}.jpg", photo(), f"person#{n}") for n in (1, 2, 3)]
    messages = [stack.message(json.dumps({"Records": [record]})) for record in records]
    failures = stack.invoke({"Records": messages})["batchItemFailures"]
    assert failures == [{"itemIdentifier": messages[1]["messageId"]}]


def test_what_is_no_upload_event_is_dead_lettered_as_it_came(stack: MotoStack) -> None:
    kinesis = '{"Records":   [{"eventSource": "aws:kinesis"}], "more": 1}'
    for body in ("no JSON", '{"hello": "world"}', "{", "\u0000\u0001", kinesis):
        stack.invoke({"Records": [stack.message(body)]})
    letters = {letter["body"]: letter["ErrorCode"] for letter in stack.dead_letters()}
    bodies = ["no JSON", '{"hello": "world"}', "{", "\ufffd\ufffd", kinesis]
    assert letters == dict.fromkeys(bodies, "event.unrecognised")


def test_of_several_records_each_unrecognised_one_is_dead_lettered_by_itself(stack: MotoStack) -> None:
    good, bad = stack.put("x.jpg", photo()), {"eventSource": "aws:kinesis"}
    stack.invoke({"Records": [stack.message(json.dumps({"Records": [bad, good]}))]})
    (letter,) = stack.dead_letters()
    assert json.loads(letter["body"]) == {"Records": [bad]}
    assert stack.item()["status"] == "stored"


def test_a_dead_letter_that_cannot_be_sent_keeps_the_message(stack: MotoStack) -> None:
    stack.settings["DEAD_LETTER_QUEUE_URL"] = f"{stack.dead_letter_queue}-gone"
    stack.notify(stack.put("x.jpg", b"text"))
    assert len(stack.trigger()) == 1
    assert (stack.item()["status"], stack.item()["error_code"]) == ("deferred", "aws.unavailable")


def test_test_events_are_acknowledged(stack: MotoStack) -> None:
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET})
    assert stack.invoke({"Records": [stack.message(body)]}) == {"batchItemFailures": []}
    (row,) = stack.invoke(json.loads(body))["results"]
    assert row["outcome"] == "ignored"
    assert stack.dead_letters() == []


def test_a_direct_invocation_raises_after_the_last_record_when_something_was_deferred(stack: MotoStack) -> None:
    stack.superoffice.fail(times=1, status=429, path="/Person/1/")
    first, second = stack.put("a.jpg", photo(), "person#1"), stack.put("b.jpg", photo(), "person#2")
    with pytest.raises(IngestDeferred) as deferred:
        stack.invoke({"Records": [first, second]})
    heading, reason = str(deferred.value).splitlines()
    assert heading == "1 of 2 uploads were deferred. Invoke again."
    assert reason.startswith("a.jpg: superoffice.rate-limited: SuperOffice answered 429")
    assert reason.endswith("If it persists, deploy with a lower SuperOfficeCallsPerSecond.")
    assert stack.item("person#2")["status"] == "stored"


@pytest.mark.parametrize("event", [{}, {"Records": [{"eventSource": "aws:kinesis"}]}, [], "x", None])
def test_a_direct_event_that_is_none_is_a_value_error(stack: MotoStack, event: object) -> None:
    with pytest.raises(ValueError, match=r"event\.unrecognised"):
        stack.invoke(event)


def test_no_records_give_an_empty_document(stack: MotoStack) -> None:
    assert stack.invoke({"Records": []}) == {"results": []}


def test_an_eventbridge_event_is_dead_lettered_as_the_notification_that_replays_it(stack: MotoStack) -> None:
    record = stack.put("a (b).jpg", b"text", "person#1")["s3"]["object"]
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": "2026-10-05T10:00:00Z",
        "detail": {"bucket": {"name": BUCKET}, "object": {"key": "a (b).jpg", "version-id": record["versionId"]}},
    }
    assert stack.invoke(event)["results"][0]["outcome"] == "rejected"
    (letter,) = stack.dead_letters()
    stack.send(letter["body"])
    stack.trigger()
    (again,) = stack.dead_letters()
    assert again["body"] == letter["body"]


def test_a_batch_job_is_answered_and_dead_letters_nothing(stack: MotoStack) -> None:
    keys = {"a b.jpg": photo(), "text.jpg": b"text", "c+d.jpg": photo(), "late.jpg": photo()}
    for number, (key, data) in enumerate(keys.items(), 1):
        stack.put(key, data, f"person#{number}")
    stack.superoffice.fail(times=1, status=429, path="/Person/4/")
    event = {
        "invocationSchemaVersion": "1.0",
        "invocationId": "i",
        "job": {"id": "j"},
        "tasks": [
            {
                "taskId": key,
                "s3Key": key.replace(" ", "+"),
                "s3VersionId": None,
                "s3BucketArn": f"arn:aws:s3:::{BUCKET}",
            }
            for key in keys
        ],
    }
    answer = stack.invoke(event)
    assert (answer["invocationSchemaVersion"], answer["invocationId"]) == ("1.0", "i")
    codes = {result["taskId"]: (result["resultCode"], result["resultString"]) for result in answer["results"]}
    assert codes["a b.jpg"] == ("Succeeded", f"stored blob {stack.item('person#1')['blob_id']}")
    assert codes["text.jpg"][0] == "PermanentFailure"
    assert codes["text.jpg"][1].startswith("rejected image.unsupported-format")
    assert codes["c+d.jpg"][0] == "Succeeded"
    assert codes["late.jpg"][0] == "TemporaryFailure"
    assert stack.dead_letters() == []


def test_bad_settings_raise_at_every_invocation(stack: MotoStack) -> None:
    stack.settings |= {"IMAGE_FIT": "stretch", "MAX_ATTEMPTS": "none"}
    for _ in range(2):
        with pytest.raises(InvalidSettings, match=r"MAX_ATTEMPTS.*IMAGE_FIT"):
            stack.invoke({"Records": []})


def test_without_a_valid_secret_an_upload_waits_and_the_ledger_says_why(stack: MotoStack) -> None:
    stack.put_secret({"auth": "basic"})
    stack.notify(stack.put("x.jpg", photo()))
    assert len(stack.trigger()) == 1
    assert (stack.item()["status"], stack.item()["error_code"]) == ("deferred", "credentials.invalid")
    stack.put_secret(stack.superoffice.secret("basic"))
    assert stack.result(stack.put("x.jpg", photo()))["outcome"] == "stored"


def test_without_time_nothing_is_begun(stack: MotoStack) -> None:
    record = stack.put("x.jpg", photo())
    with pytest.raises(IngestDeferred, match=r"worker\.out-of-time"):
        stack.invoke({"Records": [record]}, Context(seconds=6))
    assert stack.item() == {}
    assert stack.superoffice.calls == []


def test_while_another_worker_holds_the_target_every_other_upload_waits(stack: MotoStack) -> None:
    older, newer = stack.put("a.jpg", photo()), stack.put("a.jpg", photo())
    for record in (older, newer):
        stack.dynamodb.put_item(
            TableName=TABLE,
            Item={
                "target": {"S": "person#1"},
                "revision": {"N": "1"},
                "claim": {"S": "another"},
                "status": {"S": "in_progress"},
                "lease_until": {"N": "99999999999"},
            },
        )
        with pytest.raises(IngestDeferred, match=r"target\.busy"):
            stack.invoke({"Records": [record]})
    assert stack.superoffice.calls == []


def test_an_error_in_the_function_itself_defers_and_tells_no_more_than_where(
    stack: MotoStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("Kari Nordmann, born 1970")

    monkeypatch.setattr("image_ingest.picture.Preparation.make_picture", broken)
    with pytest.raises(IngestDeferred, match=r"worker\.failed"):
        stack.invoke({"Records": [stack.put("x.jpg", photo())]})
    assert stack.item()["error_message"].startswith("An unexpected RuntimeError in test_uploads.py:")
    assert "Nordmann" not in capsys.readouterr().out


def test_a_missing_table_is_aws_unavailable(stack: MotoStack) -> None:
    stack.dynamodb.delete_table(TableName=TABLE)
    with pytest.raises(IngestDeferred, match=r"aws\.unavailable"):
        stack.invoke({"Records": [stack.put("x.jpg", photo())]})


def test_a_missing_secret_is_credentials_invalid(stack: MotoStack) -> None:
    stack.secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    with pytest.raises(IngestDeferred, match=r"credentials\.invalid"):
        stack.invoke({"Records": [stack.put("x.jpg", photo())]})


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("status", [400, 401])
def test_a_credential_that_superoffice_echoes_is_written_nowhere(
    stack: MotoStack, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, auth: str, status: int
) -> None:
    caplog.set_level("DEBUG", logger="image_ingest")
    document = stack.superoffice.secret(auth)
    stack.put_secret(document)
    stack.settings["MAX_ATTEMPTS"] = "1"
    stack.superoffice.fail(times=None, path="/Image", status=status, echoes=True)
    stack.notify(stack.put("x.jpg", photo()))
    assert stack.trigger() == []
    letters = stack.dead_letters()
    assert len(letters) == 1
    written = "".join([capsys.readouterr().out, caplog.text, repr(letters), repr(stack.item())])
    places = {
        "auth",
        "base_url",
        "login_url",
        "environment",
        "context_identifier",
        "ca_bundle",
        "client_id",
        "username",
    }
    secrets = {value for name, value in document.items() if name not in places}
    assert secrets
    assert [secret for secret in secrets if secret in written] == []
