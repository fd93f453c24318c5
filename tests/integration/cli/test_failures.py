"""`image-ingest status`, `explain` and `failures`, against the sandbox."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.support.cli_sandbox import CliSandbox, Run
from tests.support.stack import photo


def _predicted(run: Run) -> dict[str | None, Any]:
    return {letter["key"]: letter["prediction"] for letter in run.data["dead_letters"]}


def test_status_shows_the_picture_and_the_newest_attempt(sandbox: CliSandbox) -> None:
    assert "The ledger has no entry" in sandbox.run("status", "person", 1).out
    sandbox.put("a.jpg", photo(size=(300, 200)), "person#1")
    blob_id = sandbox.until("person#1", "stored")["blob_id"]
    assert f"has blob {blob_id}: image/jpeg, 300x200." in sandbox.run("status", "person", 1).out
    sandbox.put("b.jpg", b"no picture", "person#1")
    sandbox.until("person#1", "rejected")
    run = sandbox.run("status", "Person", "01")
    assert f"has blob {blob_id}" in run.out
    assert "image.unsupported-format" in run.out
    assert "Upload the picture in one of these formats." in run.out
    data = sandbox.run("status", "person", 1, "--json").data
    assert (data["status"], data["key"], data["attempt"]["key"]) == ("rejected", "a.jpg", "b.jpg")
    sandbox.put("c.jpg", photo(), "contact#1")
    sandbox.until("contact#1", "stored")
    failed = {item["target"] for item in sandbox.run("status", "--all", "--failed", "--json").data}
    every = {item["target"] for item in sandbox.run("status", "--all", "--json").data}
    assert "person#1" in failed
    assert "contact#1" in every - failed
    table = sandbox.run("status", "--all").out
    assert re.search(rf"person 1 +rejected +{blob_id} +\S+ +b\.jpg +image\.unsupported-format\n", table)
    assert re.search(r"contact 1 +stored +\d+ +\S+ +c\.jpg\s", table)
    sandbox.run("status", "person", expect=2)
    sandbox.run("status", "--failed", expect=2)
    assert "ENTITY must be one of" in sandbox.run("status", "horse", 1, expect=2).err


def test_status_alone_shows_the_queues(sandbox: CliSandbox) -> None:
    assert sandbox.run("status").out == "Queue: 0 waiting, 0 in flight, 0 dead.\n"
    sandbox.put("q/bad.txt", b"no picture", "person#2")
    sandbox.until_dead_letters(1)
    sandbox.superoffice.fail(None, status=500)
    sandbox.put("q/later.jpg", photo(), "person#3")
    sandbox.until("person#3", "deferred")
    assert sandbox.run("status", "--json").data == {"waiting": 0, "in_flight": 1, "dead": 1}
    assert "Queue: 0 waiting, 1 in flight, 1 dead." in sandbox.run("status", "--all").out
    sandbox.client("sqs").purge_queue(QueueUrl=sandbox.stack.outputs["IngestQueueUrl"])


def test_internal_items_of_the_ledger_are_no_records(sandbox: CliSandbox, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("person_id\n4\n")
    sandbox.run("missing", tmp_path / "people.csv")  # its calls take slots of the stack's rate limit
    table = sandbox.stack.outputs["LedgerTableName"]
    items = sandbox.client("dynamodb").scan(TableName=table)["Items"]
    (rate,) = [item["target"]["S"] for item in items if item["target"]["S"].startswith("#")]
    sandbox.client("dynamodb").put_item(TableName=table, Item={"target": {"S": "#x"}, "status": {"S": "deferred"}})
    for arguments in ((), ("--failed",)):
        listed = sandbox.run("status", "--all", "--json", *arguments).data
        assert {rate, "#x"}.isdisjoint(item["target"] for item in listed)
    sandbox.run("forget", "--all", "--yes")
    assert sandbox.item(rate)
    assert sandbox.item("#x")


def test_reading_dead_letters_removes_none_and_predicts_each(sandbox: CliSandbox) -> None:
    sandbox.put("f/bad.txt", b"no picture", "person#11")
    sandbox.put("f/gone.txt", b"no picture", "person#12")
    sandbox.put("f/no-target.jpg", photo())
    sandbox.put("f/unknown.jpg", photo(), "person#2000001")
    sandbox.superoffice.fail(None, status=403, body='{"Error": true, "ErrorMessage": "no rights"}', path="/13/Image")
    sandbox.put("f/rights.jpg", photo(), "person#13")
    sandbox.until_quiet()
    sandbox.put("f/rights.jpg", photo("red"), "person#13")
    sandbox.until_dead_letters(6)
    sandbox.superoffice.clear_faults()
    sandbox.client("s3").delete_object(Bucket=sandbox.bucket, Key="f/gone.txt")
    sandbox.send_dead_letter("nobody knows this")
    run = sandbox.run("failures", "list", "--json")
    assert sandbox.dead_letters() == 7
    groups: dict[str | None, Any] = {group["code"]: group for group in run.data["groups"]}
    assert groups["superoffice.forbidden"]["count"] == 2
    assert "permission" in groups["superoffice.forbidden"]["advice"]
    assert groups[None]["count"] == 1
    predicted = _predicted(run)
    assert predicted["f/bad.txt"]["code"] == "image.unsupported-format"
    attempts = {letter["key"]: letter["attempts"] for letter in run.data["dead_letters"]}
    assert (attempts["f/bad.txt"], attempts[None]) == (1, None)
    assert predicted["f/gone.txt"]["outcome"] == "ignored"
    assert predicted["f/no-target.jpg"]["code"] == "target.missing"
    assert predicted["f/unknown.jpg"]["code"] == "superoffice.bad-request"
    assert predicted[None]["code"] == "event.unrecognised"
    rights = [one["prediction"]["outcome"] for one in run.data["dead_letters"] if one["key"] == "f/rights.jpg"]
    assert sorted(rights) == ["stored", "superseded"]


def test_a_prediction_comes_true(sandbox: CliSandbox) -> None:
    sandbox.superoffice.fail(None, status=403, body='{"Error": true, "ErrorMessage": "no rights"}')
    sandbox.put("older.jpg", photo("red"), "person#21")
    sandbox.until_dead_letters(1)
    sandbox.put("other.jpg", photo("blue"), "person#22")
    sandbox.until_dead_letters(2)
    sandbox.superoffice.clear_faults()
    newer = sandbox.put("newer.jpg", photo("green"), "person#21")
    sandbox.until("person#21", "stored")
    predicted = _predicted(sandbox.run("failures", "list", "--json"))
    assert predicted["older.jpg"]["outcome"] == "superseded"
    assert predicted["other.jpg"]["outcome"] == "stored"
    run = sandbox.run("failures", "replay", "--code", "superoffice.forbidden", "--yes")
    assert "Replayed: 2 dead letters." in run.out
    assert sandbox.until("person#22", "stored")["key"] == "other.jpg"
    sandbox.until_quiet()
    assert sandbox.item("person#21")["version_id"] == newer
    assert sandbox.dead_letters() == 0


def test_all_are_replayed_after_confirmation_and_without_a_move_task(sandbox: CliSandbox) -> None:
    for number in range(12):
        sandbox.send_dead_letter(json.dumps({"Event": "s3:TestEvent", "Bucket": str(number)}))
    assert sandbox.run("failures", "replay", "--all", "--dry-run").out.endswith("Nothing was replayed.\n")
    sandbox.run("failures", "replay", "--all", answer="n\n", expect=1)
    assert sandbox.dead_letters() == 12
    run = sandbox.run("failures", "replay", "--all", "--per-second", "500", "--json", "--yes")
    assert run.data["replayed"] == 12
    sandbox.until_quiet()
    assert sandbox.dead_letters() == 0
    sandbox.run("failures", "replay", expect=2)


def test_dead_letters_are_selected_by_id_or_key(sandbox: CliSandbox) -> None:
    sandbox.put("d/one.jpg", b"1", "person#31")
    odd = "d/two [bold]\x1b.jpg"
    version = sandbox.put(odd, b"2", "person#32")
    sandbox.until_dead_letters(2)
    sandbox.client("s3").delete_object(Bucket=sandbox.bucket, Key=odd, VersionId=version)  # the AWS here cannot list it
    listed = sandbox.run("failures", "list", "--no-predict")
    assert listed.err == ""
    assert "d/two [bold]\N{REPLACEMENT CHARACTER}.jpg" in listed.out
    assert "\x1b" not in listed.out
    ids = {
        row["key"]: row["id"] for row in sandbox.run("failures", "list", "--json", "--no-predict").data["dead_letters"]
    }
    shown = sandbox.run("failures", "show", ids["d/one.jpg"][:8])
    assert "image.unsupported-format" in shown.out
    assert json.loads(sandbox.run("failures", "show", ids["d/one.jpg"], "--json").data["body"])["Records"]
    sandbox.run("failures", "show", "nothing", expect=1)
    sandbox.run("failures", "discard", "--key", "d/t*", answer="n\n", expect=1)
    assert sandbox.dead_letters() == 2
    sandbox.run("failures", "discard", "--key", "d/t*", "--yes")
    assert sandbox.dead_letters() == 1
    sandbox.run("failures", "discard", ids["d/one.jpg"][:8], "--yes")
    assert sandbox.dead_letters() == 0


def test_dead_letters_that_somebody_else_reads_are_mentioned(sandbox: CliSandbox) -> None:
    sandbox.send_dead_letter("nobody knows this")
    sandbox.client("sqs").receive_message(QueueUrl=sandbox.stack.outputs["DeadLetterQueueUrl"])
    listed = sandbox.run("failures", "list", "--no-predict")
    assert listed.err == "About 1 more are being read by somebody else. Try again in some minutes.\n"
    assert listed.out == "There are no dead letters.\n"


def test_explain_shows_everything_known_and_the_next_step(sandbox: CliSandbox, tmp_path: Path) -> None:
    sandbox.put("e/bad.jpg", photo()[:300], "person#41")
    sandbox.until_dead_letters(1)
    explained = sandbox.run("explain", "person", 41)
    assert "image.unreadable" in explained.out
    assert ", after 1 attempt\n" in explained.out
    assert "failures discard" in explained.out
    same = sandbox.run("explain", f"s3://{sandbox.bucket}/e/bad.jpg", "--json").data
    assert (same["target"], same["prediction"]["code"]) == ("person#41", "image.unreadable")
    assert (same["dead_letter"]["code"], same["dead_letter"]["attempts"]) == ("image.unreadable", 1)
    sandbox.put("e/good.jpg", photo(size=(3000, 10)), "person#42")
    sandbox.until("person#42", "stored")
    assert "Nothing, if SuperOffice shows this picture" in sandbox.run("explain", "person", 42).out
    absent = sandbox.run("explain", f"s3://{sandbox.bucket}/e/absent.jpg")
    assert "deleted" in absent.out
    assert "Upload a photo for it" in sandbox.run("explain", "product", 43).out
    sandbox.run("explain", "person", expect=2)


def test_an_upload_waits_for_the_secret(sandbox: CliSandbox) -> None:
    sandbox.stack.put_secret({"auth": "basic"})
    sandbox.superoffice.rotate_credentials()  # what a worker knows from before is refused, so it reads the secret
    sandbox.put("h.jpg", photo(), "person#52")
    assert sandbox.until("person#52", "deferred")["error_code"] == "credentials.invalid"
    assert "The upload waits for the SuperOffice credential: image-ingest secret put" in (
        sandbox.run("explain", "person", 52).out
    )
    sandbox.client("sqs").purge_queue(QueueUrl=sandbox.stack.outputs["IngestQueueUrl"])


def test_a_refused_credential_is_predicted(sandbox: CliSandbox) -> None:
    sandbox.put("g.jpg", b"g", "person#51")
    sandbox.until_dead_letters(1)
    sandbox.stack.put_secret({"auth": "basic"})
    assert _predicted(sandbox.run("failures", "list", "--json"))["g.jpg"]["code"] == "credentials.invalid"
