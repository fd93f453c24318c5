"""What predict says, happens: the function's own rules, and nothing is changed by asking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from image_ingest.aws import Objects
from image_ingest.deadline import Deadline
from image_ingest.errors import Rejected
from image_ingest.events import parse_event
from image_ingest.ledger import Table
from image_ingest.picture import Picture
from image_ingest.predict import Prediction, predict
from image_ingest.settings import Settings
from image_ingest.superoffice import Calls, ImageInfo
from image_ingest.target import Target
from image_ingest.upload import Upload, UploadIdentity
from tests.support.stack import TABLE, MotoStack, photo


@dataclass
class Accepts:
    """SuperOffice, which would accept the picture, or say that there is no such record."""

    stack: MotoStack
    knows: bool = True

    def tenant(self, deadline: Deadline) -> str:
        return str(self.stack.superoffice.secret("basic")["base_url"]).removesuffix("/")

    def put_image(self, target: Target, picture: Picture, deadline: Deadline, calls: Calls) -> int:
        if not self.knows:
            raise Rejected("superoffice.not-found", "no such record")
        return 0

    def delete_image(self, target: Target, deadline: Deadline, calls: Calls) -> bool:
        raise AssertionError("a prediction must not delete")

    def image_info(self, target: Target, deadline: Deadline, calls: Calls) -> ImageInfo | None:
        shown = self.stack.superoffice.picture(target.entity_type, target.entity_id)
        return None if shown is None else ImageInfo(shown.blob_id, len(shown.data), len(shown.data))


def ask(stack: MotoStack, record: dict[str, Any], *, knows: bool = True, read_bytes: bool = True) -> Prediction:
    (upload,) = parse_event({"Records": [record]}) or []
    assert isinstance(upload, Upload)
    before, calls = stack.item(), len(stack.superoffice.calls)
    predicted = predict(
        upload,
        settings=Settings.from_environment(stack.environment()),
        objects=Objects(stack.s3),
        table=Table(stack.dynamodb, TABLE),
        superoffice=Accepts(stack, knows),
        read_bytes=read_bytes,
    )
    assert (stack.item(), len(stack.superoffice.calls), stack.dead_letters()) == (before, calls, [])
    return predicted


def stored(stack: MotoStack) -> dict[str, Any]:
    record = stack.put("x.jpg", photo())
    assert stack.result(record)["outcome"] == "stored"
    return record


def unchanged(stack: MotoStack) -> dict[str, Any]:
    stack.settings["SKIP_UNCHANGED"] = "true"
    stored(stack)
    return stack.put("x.jpg", photo())


def superseded(stack: MotoStack) -> dict[str, Any]:
    older = stack.put("x.jpg", photo("red"))
    stored(stack)
    return older


def kept(stack: MotoStack) -> dict[str, Any]:
    stack.settings["REPLACE_PICTURES"] = "never"
    stack.superoffice.set_picture("person", 1, photo())
    return stack.put("x.jpg", photo("red"))


def deleted(stack: MotoStack) -> dict[str, Any]:
    return stack.record("gone.jpg", None, 1, "etag")


@pytest.mark.parametrize(
    ("arrange", "outcome", "code"),
    [
        (lambda stack: stack.put("x.jpg", photo()), "stored", None),
        (stored, "duplicate", None),
        (unchanged, "unchanged", None),
        (superseded, "superseded", None),
        (kept, "kept", None),
        (deleted, "ignored", None),
        (lambda stack: stack.put("x.jpg", b"text"), "rejected", "image.unsupported-format"),
        (lambda stack: stack.put("x.jpg", photo(), None), "rejected", "target.missing"),
    ],
    ids=["new", "duplicate", "unchanged", "superseded", "kept", "deleted", "no picture", "no target"],
)
def test_what_is_predicted_happens(
    stack: MotoStack, arrange: Callable[[MotoStack], dict[str, Any]], outcome: str, code: str | None
) -> None:
    record = arrange(stack)
    predicted = ask(stack, record).result
    assert (predicted.outcome, predicted.error_code) == (outcome, code)
    happened = stack.result(record)
    assert (happened["outcome"], happened["error_code"], happened["message"]) == (outcome, code, predicted.message)


def test_an_upload_that_crashed_the_worker_three_times_would_be_rejected(stack: MotoStack) -> None:
    record = stack.put("x.jpg", photo())
    version_id = record["s3"]["object"]["versionId"]
    identity = {"bucket": "photos-0123456789ab", "key": "x.jpg", "version_id": version_id, "time": "", "etag": ""}
    fingerprint = UploadIdentity.from_map(identity).fingerprint
    stack.dynamodb.put_item(
        TableName=TABLE,
        Item={"target": {"S": "person#1"}, "status": {"S": "deferred"}, "crashes": {"M": {fingerprint: {"N": "3"}}}},
    )
    assert ask(stack, record).result.error_code == "worker.crashed"


def test_while_a_worker_has_the_target_an_upload_would_be_deferred(stack: MotoStack) -> None:
    record = stored(stack)
    stack.dynamodb.update_item(
        TableName=TABLE,
        Key={"target": {"S": "person#1"}},
        UpdateExpression="SET lease_until = :later",
        ExpressionAttributeValues={":later": {"N": "99999999999"}},
    )
    assert ask(stack, record).result.outcome == "duplicate"
    assert ask(stack, stack.put("x.jpg", photo("red"))).result.error_code == "target.busy"


def test_what_was_found_on_the_way_is_told(stack: MotoStack) -> None:
    predicted = ask(stack, stack.put("x.jpg", photo(size=(80, 60))), knows=False)
    assert predicted.result.error_code == "superoffice.not-found"
    assert predicted.obj is not None
    assert (predicted.obj.key, predicted.target) == ("x.jpg", Target("person", 1))
    assert predicted.picture is not None
    assert (predicted.picture.width, predicted.picture.height) == (80, 60)


def test_without_reading_the_bytes_the_picture_counts_as_sound(stack: MotoStack) -> None:
    record = stack.put("x.jpg", b"text")
    predicted = ask(stack, record, read_bytes=False)
    assert (predicted.result.outcome, predicted.picture) == ("stored", None)
    stack.settings["SKIP_UNCHANGED"] = "true"
    assert ask(stack, record, read_bytes=False).result.outcome == "rejected", "unchanged bytes must be compared"
