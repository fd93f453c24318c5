"""`image-ingest doctor`, `secret`, `resend`, `backfill`, `remove` and `forget`, against the sandbox."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.aws.versions import ObjectVersion, delete_versions
from image_ingest_cli.checks.finding import run_check
from image_ingest_cli.checks.function import check_concurrency, check_decoder
from sandbox.aws import REGION
from tests.support.cli_sandbox import CliSandbox
from tests.support.stack import photo


def _findings(sandbox: CliSandbox, expect: int) -> dict[str, Any]:
    return {finding["check"]: finding for finding in sandbox.run("doctor", "--json", expect=expect).data}


def test_the_doctor_accepts_a_working_stack(sandbox: CliSandbox) -> None:
    findings = _findings(sandbox, expect=0)
    assert all(finding["ok"] for finding in findings.values())
    details = {check: finding["detail"] for check, finding in findings.items()}
    assert details["secret"] == f"valid, basic for {sandbox.superoffice.api(online=False)}"
    expected = {
        "function": "responds",
        "decoder": "isolated, its system calls are filtered",
        "picture formats": "all available",
        "notifications": "enabled",
        "queue policy": "allows the bucket to send",
        "redrive": "to the dead-letter queue after 20 attempts",
        "trigger": "enabled",
        "outcome events": "not used",
        "SuperOffice": "responds",
        "credential": "responds",
        "clocks": "agree",
        "dead letters": "none",
    }
    assert details.items() >= expected.items()


@pytest.mark.parametrize(
    ("harm", "check", "fix"),
    [
        (lambda s: s.stack.put_secret({"auth": "basic"}), "secret", "Correct the secret"),
        (lambda s: s.stack.put_secret(s.superoffice.secret("basic") | {"password": "no"}), "credential", "valid"),
        (lambda s: s.superoffice.fail(None, status=500, path="/api"), "SuperOffice", "base_url"),
        (lambda s: s.send_dead_letter("x"), "dead letters", "failures list"),
    ],
)
def test_the_doctor_names_each_problem_and_its_fix(sandbox: CliSandbox, harm: Any, check: str, fix: str) -> None:
    harm(sandbox)
    finding = _findings(sandbox, expect=1)[check]
    assert not finding["ok"]
    assert fix in finding["fix"]


@pytest.mark.parametrize(
    ("account", "reserved", "text"),
    [
        (10, None, None),
        (4, None, "may run 4 times at once, but MaxConcurrency is 5"),
        (100, 5, None),
        (100, 3, "ReservedConcurrency is 3, but MaxConcurrency is 5"),
    ],
)
def test_the_doctor_compares_the_accounts_quota(account: int, reserved: int | None, text: str | None) -> None:
    stack = cast("Stack", _Account(account, reserved))
    finding = run_check("concurrency", check_concurrency, stack)
    assert finding.ok == (text is None)
    assert text is None or (text in finding.detail and finding.fix)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('{"level":"INFO","message":"decoder","confined":true}', None),
        ('2026-11-27 INFO {"message":"decoder","confined":true}', None),
        ('{"message":"decoder","confined":false}', "refuses the filter"),
        ('{"message":"decoder","confined":null}', "decodes no picture"),
        ("START RequestId: 1", "does not say"),
    ],
)
def test_the_doctor_asks_the_function_about_its_decoder(line: str, text: str | None) -> None:
    stack = cast("Stack", _Logged(f"START\n{line}\nREPORT Duration: 3 ms\n"))
    finding = run_check("decoder", check_decoder, stack)
    assert finding.ok == (text is None)
    assert text is None or (text in finding.detail and finding.fix)


class _Logged:
    """A stack whose function logs this when it is invoked."""

    function_name = "function"

    def __init__(self, log: str) -> None:
        self._log = log

    def client(self, _service: str) -> Any:
        return self

    def invoke(self, **request: Any) -> dict[str, str]:
        assert request == {"FunctionName": "function", "Payload": b'{"Records": []}', "LogType": "Tail"}
        return {"LogResult": base64.b64encode(self._log.encode()).decode()}


class _Account:
    """A stack with five workers in an account with this quota, as far as Lambda tells."""

    function_name = "function"

    def __init__(self, account: int, reserved: int | None) -> None:
        self.settings = SimpleNamespace(superoffice=SimpleNamespace(workers=5))
        self._account, self._reserved = account, reserved

    def client(self, service: str) -> Any:
        assert service == "lambda"
        own = {} if self._reserved is None else {"ReservedConcurrentExecutions": self._reserved}
        limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": self._account}
        return SimpleNamespace(
            get_function_concurrency=lambda FunctionName: own,  # noqa: N803 - boto3's own name
            get_account_settings=lambda: {"AccountLimit": limit},
        )


def test_the_doctor_detects_a_tenant_in_maintenance(sandbox: CliSandbox) -> None:
    sandbox.stack.put_secret(sandbox.superoffice.secret("system_user"))
    assert _findings(sandbox, expect=0)["tenant"]["ok"]
    sandbox.superoffice.maintenance()
    assert "OfflineMaintenance" in _findings(sandbox, expect=1)["tenant"]["detail"]
    sandbox.superoffice.maintenance(on=False)


def test_the_doctor_detects_missing_notifications_and_stacks(sandbox: CliSandbox) -> None:
    s3, before = sandbox.client("s3"), None
    before = s3.get_bucket_notification_configuration(Bucket=sandbox.bucket)["QueueConfigurations"]
    s3.put_bucket_notification_configuration(Bucket=sandbox.bucket, NotificationConfiguration={})
    assert not _findings(sandbox, expect=1)["notifications"]["ok"]
    s3.put_bucket_notification_configuration(
        Bucket=sandbox.bucket, NotificationConfiguration={"QueueConfigurations": before}
    )
    run = sandbox.run("doctor", "--stack", "other", expect=1)
    assert run.out.startswith("FAIL stack: There is no stack other")


def test_forgotten_records_are_stored_again_by_resend(sandbox: CliSandbox) -> None:
    sandbox.put("r/1.jpg", photo(), "person#61")
    first = sandbox.until("person#61", "stored")["blob_id"]
    assert sandbox.run("resend", "--prefix", "r/").out == "Enqueued: 1 object.\n"
    for key, data in (("t/folder/", b""), ("t/no-folder/", photo()), ("t/empty", b"")):
        sandbox.put(key, data)
    assert sandbox.run("resend", "--prefix", "t/", "--dry-run").out == "Would be enqueued: 2 objects.\n"
    sandbox.until_quiet()
    assert sandbox.item("person#61")["blob_id"] == first  # a duplicate
    sandbox.run("forget", "person", 61)
    assert sandbox.item("person#61") == {}
    assert sandbox.run("resend", "--prefix", "r/", "--dry-run", "--json").data == {"objects": 1, "sent": 0}
    assert sandbox.run("resend", "--prefix", "r/", "--json").data == {"objects": 1, "sent": 1}
    assert sandbox.until("person#61", "stored")["blob_id"] != first
    sandbox.run("forget", "--all", answer="n\n", expect=1)
    assert sandbox.item("person#61")
    sandbox.run("forget", "--all", "--yes")
    assert sandbox.item("person#61") == {}
    sandbox.run("forget", expect=2)


def test_a_removed_record_leaves_nothing_and_its_queued_uploads_are_ignored(sandbox: CliSandbox) -> None:
    for colour in ("red", "green"):
        sandbox.put("x/one.jpg", photo(colour), "person#71")
        sandbox.until_quiet()
    sandbox.put("x/other.jpg", photo(), "person#72")
    sandbox.put("x/bad.jpg", b"bad", "person#71")
    sandbox.until_dead_letters(1)
    sandbox.until("person#72", "stored")
    sandbox.client("s3").delete_object(Bucket=sandbox.bucket, Key="x/one.jpg")
    assert sandbox.superoffice.picture("person", 71)
    assert len(sandbox.run("remove", "person", 71, "--dry-run", "--json").data["versions"]) == 4
    sandbox.run("remove", "person", 71, answer="n\n", expect=1)
    assert sandbox.superoffice.picture("person", 71)
    removed = sandbox.run("remove", "person", 71, "--yes").out
    assert "To be removed: 4 object versions, the picture in SuperOffice and the ledger item.\nRemoved.\n" in removed
    assert sandbox.superoffice.picture("person", 71) is None
    assert sandbox.item("person#71") == {}
    left = sandbox.client("s3").list_object_versions(Bucket=sandbox.bucket, Prefix="x/")
    assert [version["Key"] for version in left["Versions"]] == ["x/other.jpg"]
    assert "DeleteMarkers" not in left
    sandbox.run("failures", "replay", "--all", "--yes")
    sandbox.until_quiet()
    assert (sandbox.dead_letters(), sandbox.item("person#71")) == (0, {})
    sandbox.put("x/new.jpg", photo(), "person#71")
    assert sandbox.until("person#71", "stored")["key"] == "x/new.jpg"


def test_a_removal_names_the_objects_that_it_cannot_read(sandbox: CliSandbox) -> None:
    sandbox.put("s/readable.jpg", photo(), "person#75")
    own_key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    encrypted = sandbox.client("s3").put_object(Bucket=sandbox.bucket, Key="s/own-key.jpg", Body=photo(), **own_key)
    sandbox.until("person#75", "stored")
    removed = sandbox.run("remove", "person", 75, "--prefix", "s/", "--yes", "--json")
    assert [version["key"] for version in removed.data["versions"]] == ["s/readable.jpg"]
    assert removed.data["unread_versions"] == [{"key": "s/own-key.jpg", "version_id": encrypted["VersionId"]}]
    assert f"s/own-key.jpg (version {encrypted['VersionId']}) is encrypted with its uploader's own key" in removed.err
    left = sandbox.client("s3").list_object_versions(Bucket=sandbox.bucket, Prefix="s/")
    assert [version["Key"] for version in left["Versions"]] == ["s/own-key.jpg"]


def test_a_removal_that_superoffice_refuses_can_be_repeated(sandbox: CliSandbox) -> None:
    sandbox.put("y/one.jpg", photo(), "person#73")
    sandbox.until("person#73", "stored")
    sandbox.superoffice.fail(None, status=500, method="DELETE")
    run = sandbox.run("remove", "person", 73, "--yes", expect=1)
    assert "the picture in SuperOffice is not" in run.err
    sandbox.superoffice.clear_faults()
    sandbox.run("remove", "person", 73, "--yes", "--patience", 5)
    assert sandbox.superoffice.picture("person", 73) is None
    assert sandbox.item("person#73") == {}


def test_a_record_that_a_worker_holds_is_not_changed(sandbox: CliSandbox) -> None:
    held = {"target": {"S": "person#74"}, "entity_type": {"S": "person"}, "entity_id": {"N": "74"}}
    sandbox.client("dynamodb").put_item(
        TableName=sandbox.stack.outputs["LedgerTableName"],
        Item={**held, "status": {"S": "in_progress"}, "lease_until": {"N": f"{time.time() + 100:.3f}"}},
    )
    assert "A worker holds" in sandbox.run("remove", "person", 74, "--yes", "--patience", 0, expect=1).err
    assert "A worker holds 1 record" in sandbox.run("forget", "person", 74, expect=1).err
    assert sandbox.item("person#74")["status"] == "in_progress"
    assert "has been in progress since" in sandbox.run("status", "person", 74).out


def test_more_versions_than_s3_deletes_in_one_call_are_deleted() -> None:
    versions = [ObjectVersion("x.jpg", str(number)) for number in range(1001)]
    deleted: list[tuple[str, str]] = []

    def delete_objects(*, Bucket: str, Delete: Any) -> dict[str, Any]:  # noqa: N803 - boto3's own names
        assert len(Delete["Objects"]) <= 1000
        deleted.extend((one["Key"], one["VersionId"]) for one in Delete["Objects"])
        return {}

    s3 = SimpleNamespace(delete_objects=delete_objects)
    delete_versions(cast("Stack", SimpleNamespace(bucket="uploads", s3=s3)), versions)
    assert deleted == [(one.key, one.version_id) for one in versions]


def test_photos_from_another_bucket_are_copied_once(sandbox: CliSandbox) -> None:
    s3 = sandbox.client("s3")
    s3.create_bucket(Bucket="old-photos", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="old-photos", Key="staff/81.jpg", Body=photo(), ContentType="image/jpeg")
    s3.put_object(Bucket="old-photos", Key="staff/82.jpg", Body=photo("red"))
    s3.put_object(Bucket="old-photos", Key="staff/readme.txt", Body=b"x")
    s3.put_object(Bucket="old-photos", Key="staff/@eaDir/81.jpg", Body=photo())
    arguments = ("backfill", "s3://old-photos/staff/", "--pattern", "{id}.*", "--entity", "contact", "--json")
    planned = sandbox.run(*arguments, "--dry-run", expect=1).data
    assert planned["actions"] == {"would copy": 2, "failed": 1, "junk": 1}
    assert sandbox.run(*arguments, expect=1).data["actions"] == {"copied": 2, "failed": 1, "junk": 1}
    assert sandbox.until("contact#81", "stored")["key"] == "staff/81.jpg"
    assert sandbox.run(*arguments, expect=1).data["actions"] == {"present": 2, "failed": 1, "junk": 1}
    sandbox.until("contact#82", "stored")
    sandbox.superoffice.state.delete_picture("contact", 82)  # by somebody
    again = sandbox.run(*arguments, "--only-missing", expect=1).data["actions"]
    assert again == {"copied": 1, "skipped": 1, "failed": 1, "junk": 1}
    sandbox.until_quiet()
    assert sandbox.superoffice.picture("contact", 82)
    s3.put_object(
        Bucket="old-photos", Key="own/1", Body=photo(), Metadata={"entity-type": "product", "entity-id": "83"}
    )
    assert sandbox.run("backfill", "s3://old-photos/own", "--to", "old/").out == "1 copied.\n"
    assert sandbox.until("product#83", "stored")["key"] == "old/own/1"
    sandbox.run("backfill", f"s3://{sandbox.bucket}/", expect=2)


def test_a_batch_job_is_written_for_many_objects(sandbox: CliSandbox, tmp_path: Path) -> None:
    s3 = sandbox.client("s3")
    s3.create_bucket(Bucket="archive", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="archive", Key="a b,ö.jpg", Body=photo())
    run = sandbox.run("backfill", "s3://archive/", "--to", "archive/", "--batch-job", tmp_path / "job")
    assert "manifest.csv lists 1 object. To start the job:" in run.out
    assert (tmp_path / "job" / "manifest.csv").read_text() == "archive,a%20b%2C%C3%B6.jpg\n"
    job = json.loads((tmp_path / "job" / "job.json").read_text())
    assert job["Operation"]["S3PutObjectCopy"]["TargetResource"] == f"arn:aws:s3:::{sandbox.bucket}"
    assert job["ConfirmationRequired"] is False
    assert (job["Report"]["Enabled"], job["Report"]["ReportScope"]) == (True, "FailedTasksOnly")
    commands = [line.strip() for line in run.out.splitlines() if line.startswith("  aws")]
    assert len(commands) == 4
    put = s3.put_object(
        Bucket="archive",
        Key="image-ingest-backfill/manifest.csv",
        Body=(tmp_path / "job" / "manifest.csv").read_bytes(),
    )
    assert put["ETag"].strip('"') == job["Manifest"]["Location"]["ETag"]
    assert job["Manifest"]["Location"]["ObjectArn"] == "arn:aws:s3:::archive/image-ingest-backfill/manifest.csv"
