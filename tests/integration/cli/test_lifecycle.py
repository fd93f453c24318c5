"""The command line on a stack that removes pictures of deleted objects and keeps pictures that people set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cli_sandbox import CliSandbox, open_cli_sandbox
from tests.support.stack import photo


@pytest.fixture(scope="module")
def deployed_sandbox() -> Iterator[CliSandbox]:
    with open_cli_sandbox(RemoveWhenDeleted="true", ReplacePictures="own") as sandbox:
        yield sandbox


def _delete(sandbox: CliSandbox, key: str) -> None:
    sandbox.client("s3").delete_object(Bucket=sandbox.bucket, Key=key)


def test_a_removed_picture_is_explained(sandbox: CliSandbox) -> None:
    sandbox.put("a.jpg", photo(), "person#1")
    sandbox.until("person#1", "stored")
    _delete(sandbox, "a.jpg")
    sandbox.until("person#1", "removed")
    assert sandbox.superoffice.picture("person", 1) is None
    assert f"because s3://{sandbox.bucket}/a.jpg was deleted." in sandbox.run("status", "person", 1).out
    explained = sandbox.run("explain", "person", 1).out
    assert f"s3://{sandbox.bucket}/a.jpg was deleted at" in explained
    assert "Nothing. The picture was removed, because the object was deleted." in explained
    listed = {item["target"]: item["status"] for item in sandbox.run("status", "--all", "--json").data}
    assert listed["person#1"] == "removed"


def test_a_kept_picture_is_explained(sandbox: CliSandbox) -> None:
    sandbox.superoffice.set_picture("person", 2, photo("black", kind="PNG"))
    sandbox.put("b.jpg", photo(), "person#2")
    sandbox.until("person#2", "kept")
    assert "changed nothing at" in sandbox.run("status", "person", 2).out
    explained = sandbox.run("explain", "person", 2, "--json").data
    assert explained["prediction"]["outcome"] == "kept"
    assert explained["next"][0].startswith("Nothing, if that picture is right.")
    assert sandbox.run("status", "--all", "--failed", "--json").data == []


def test_a_failed_removal_is_listed_predicted_and_replayed(sandbox: CliSandbox) -> None:
    sandbox.put("c.jpg", photo(), "person#3")
    sandbox.until("person#3", "stored")
    refusal = '{"Error": true, "ErrorMessage": "no rights"}'
    sandbox.superoffice.fail(None, status=403, body=refusal, method="DELETE")
    _delete(sandbox, "c.jpg")
    sandbox.until_dead_letters(1)
    sandbox.superoffice.clear_faults()
    (letter,) = sandbox.run("failures", "list", "--json").data["dead_letters"]
    assert (letter["request"], letter["key"], letter["code"]) == ("removal", "c.jpg", "superoffice.forbidden")
    assert letter["prediction"]["outcome"] == "removed"
    assert "c.jpg (deleted)" in sandbox.run("failures", "list").out
    explained = sandbox.run("explain", "person", 3).out
    assert "The removal of s3://" in explained
    assert "Replay it: image-ingest failures replay" in explained
    assert sandbox.superoffice.picture("person", 3)
    sandbox.run("failures", "replay", letter["id"], "--yes")
    sandbox.until("person#3", "removed")
    assert sandbox.superoffice.picture("person", 3) is None


def test_the_doctor_checks_that_deletions_are_notified(sandbox: CliSandbox) -> None:
    s3 = sandbox.client("s3")
    findings = {one["check"]: one for one in sandbox.run("doctor", "--json").data}
    assert findings["notifications"]["detail"] == "enabled, for deleted objects too"
    assert findings["outcome events"]["detail"] == "not used"
    before = s3.get_bucket_notification_configuration(Bucket=sandbox.bucket)["QueueConfigurations"]
    only_new = [one for one in before if one["Events"] == ["s3:ObjectCreated:*"]]
    s3.put_bucket_notification_configuration(
        Bucket=sandbox.bucket, NotificationConfiguration={"QueueConfigurations": only_new}
    )
    findings = {one["check"]: one for one in sandbox.run("doctor", "--json", expect=1).data}
    assert "deleted objects" in findings["notifications"]["detail"]
    s3.put_bucket_notification_configuration(
        Bucket=sandbox.bucket, NotificationConfiguration={"QueueConfigurations": before}
    )
