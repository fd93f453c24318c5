"""`image-ingest upload` and `missing`, against the sandbox."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import pytest

from image_ingest.errors import CATALOGUE
from sandbox.aws import REGION
from tests.support.cli_sandbox import CliSandbox, wait_for
from tests.support.stack import photo


def test_one_photo_is_uploaded_and_stored(sandbox: CliSandbox, tmp_path: Path) -> None:
    (tmp_path / "me.JPG").write_bytes(photo())
    run = sandbox.run("upload", tmp_path / "me.JPG", "--entity", "Person", "--id", "0123", "--wait", "--json")
    picture = sandbox.superoffice.picture("person", 123)
    assert picture is not None
    (row,) = run.data["uploads"]
    assert (row["key"], row["action"], row["outcome"]) == ("person/123.jpg", "uploaded", "stored")
    assert row["blob_id"] == picture.blob_id
    head = sandbox.client("s3").head_object(Bucket=sandbox.bucket, Key="person/123.jpg")
    assert (head["ContentType"], head["VersionId"]) == ("image/jpeg", row["version_id"])


def test_a_second_run_uploads_only_what_changed(sandbox: CliSandbox, tmp_path: Path) -> None:
    for number, colour in ((201, "red"), (202, "green")):
        (tmp_path / f"{number}.png").write_bytes(photo(colour, kind="PNG"))
    arguments = ("upload", tmp_path, "--pattern", "{id}.*", "--entity", "contact", "--json")
    assert sandbox.run(*arguments).data["actions"] == {"uploaded": 2}
    assert sandbox.run(*arguments).data["actions"] == {"present": 2}
    sandbox.until_quiet()
    (tmp_path / "202.png").write_bytes(photo("blue", kind="PNG"))
    assert sandbox.run(*arguments).data["actions"] == {"present": 1, "uploaded": 1}
    assert {row["outcome"] for row in sandbox.run(*arguments, "--wait").data["uploads"]} == {"stored"}


def test_the_same_bytes_for_another_target_are_uploaded(sandbox: CliSandbox, tmp_path: Path) -> None:
    sandbox.put("person/210.jpg", photo(), "person#999")
    (tmp_path / "210.jpg").write_bytes(photo())
    run = sandbox.run("upload", tmp_path / "210.jpg", "--entity", "person", "--id", "210", "--json")
    assert run.data["actions"] == {"uploaded": 1}


def test_every_problem_is_listed_with_its_line_and_nothing_is_uploaded(sandbox: CliSandbox, tmp_path: Path) -> None:
    (tmp_path / "ok.jpg").write_bytes(photo())
    (tmp_path / "twice.jpg").write_bytes(photo("red"))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "outside.jpg").symlink_to(Path(__file__))
    manifest = tmp_path / "people.csv"
    manifest.write_text(
        "file,entity_type,entity_id\n"
        "ok.jpg,person,301\n"
        "gone.jpg,person,302\n"
        "../people.csv,person,303\n"
        "notes.txt,person,304\n"
        "empty.jpg,person,305\n"
        "outside.jpg,person,306\n"
        "ok.jpg,horse,307\n"
        "ok.jpg,person,0\n"
        "twice.jpg,person,301\n"
    )
    run = sandbox.run("upload", tmp_path, "--manifest", manifest, "--json", expect=1)
    problems = {problem["line"]: problem["problem"] for problem in run.data["problems"]}
    assert sorted(problems) == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert "no such file" in problems[3]
    assert "outside" in problems[4]
    assert "outside" in problems[7]
    assert "entity-type" in problems[8]
    assert "entity-id" in problems[9]
    assert "several photos" in problems[2]
    assert "several photos" in problems[10]
    assert "Nothing was uploaded" in run.err
    assert "gone.jpg, line 3: there is no such file" in run.err
    assert "Contents" not in sandbox.client("s3").list_objects_v2(Bucket=sandbox.bucket, Prefix="person/30")


def test_people_are_looked_up_in_superoffice(sandbox: CliSandbox, tmp_path: Path) -> None:
    directory = sandbox.superoffice.directory
    directory.add("person", 401, "Kari Hansen", email="kari@example.com", associate_id=7)
    directory.add("person", 402, "Ola O'Hara", email="o'hara@example.com")
    directory.add("person", 403, "Twin One", email="twin@example.com")
    directory.add("person", 404, "Twin Two", email="twin@example.com")
    directory.add("contact", 405, "Nøgne AS", number="A-17", orgnr="987654321")
    (tmp_path / "p.jpg").write_bytes(photo())
    manifest = tmp_path / "people.csv"
    good = [
        ("email", "kari@example.com", "Hansen, Kari", ("person", 401)),
        ("email", "o'hara@example.com", "", ("person", 402)),
        ("associate_id", "7.0", "", ("person", 401)),
        ("number", "A-17", "nøgne as", ("contact", 405)),
        ("orgnr", "987654321", "", ("contact", 405)),
    ]
    for column, value, name, expected in good:
        manifest.write_text(f'file,{column},name\np.jpg,{value},"{name}"\n')
        (row,) = sandbox.run("upload", tmp_path, "--manifest", manifest, "--dry-run", "--json").data["plan"]
        assert (row["entity_type"], row["entity_id"]) == expected
    bad = [
        ("email", "twin@example.com", "", "2 records"),
        ("email", "nobody@example.com", "", "no person"),
        ("email", "kari@example.com", "Somebody Else", "a different name"),
        ("associate_id", "8", "", "no person for associate 8"),
        ("entity_id", "2000001", "X", "no person 2000001"),
    ]
    for column, value, name, expected_problem in bad:
        manifest.write_text(f"file,entity_type,{column},name\np.jpg,person,{value},{name}\n")
        run = sandbox.run("upload", tmp_path, "--manifest", manifest, "--json", expect=1)
        assert expected_problem in run.data["problems"][0]["problem"]


def test_failures_are_reported_with_advice(sandbox: CliSandbox, tmp_path: Path) -> None:
    (tmp_path / "person").mkdir()
    (tmp_path / "person" / "2000002.jpg").write_bytes(photo())
    (tmp_path / "person" / "501.jpg").write_bytes(photo())
    (tmp_path / "person" / "502.jpg").write_bytes(photo()[:300])
    report = tmp_path / "report.csv"
    run = sandbox.run("upload", tmp_path, "--pattern", "{entity}/{id}.*", "--wait", "--report", report, expect=1)
    assert "superoffice.bad-request" in run.out
    assert "Outcomes: 2 rejected, 1 stored." in run.out
    with report.open(encoding="utf-8-sig") as file:
        rows = {row["entity_id"]: row for row in csv.DictReader(file)}
    assert rows["2000002"]["error_code"] == "superoffice.bad-request"
    assert rows["2000002"]["advice"] == CATALOGUE["superoffice.bad-request"].advice
    assert rows["502"]["error_code"] == "image.unreadable"
    assert (rows["501"]["outcome"], rows["501"]["error_code"]) == ("stored", "")


def test_an_upload_that_is_not_settled_in_time_is_waiting(sandbox: CliSandbox, tmp_path: Path) -> None:
    sandbox.superoffice.fail(None, status=500)
    (tmp_path / "510.jpg").write_bytes(photo())
    arguments = ("upload", tmp_path / "510.jpg", "--entity", "person", "--id", 510, "--wait", "--json", "--timeout")
    wait_for(lambda: sandbox.run(*arguments, 0, expect=1).data["uploads"][0]["error_code"])
    (row,) = sandbox.run(*arguments, 0, expect=1).data["uploads"]
    assert (row["outcome"], row["error_code"]) == ("waiting", "superoffice.unavailable")
    assert "retried automatically" in row["advice"]
    sandbox.client("sqs").purge_queue(QueueUrl=sandbox.stack.outputs["IngestQueueUrl"])


def test_only_records_without_a_picture_are_uploaded_and_listed(sandbox: CliSandbox, tmp_path: Path) -> None:
    sandbox.superoffice.state.store("person", 601, photo(), "image/jpeg", (64, 48))  # by somebody else
    (tmp_path / "602.jpg").write_bytes(photo())
    sandbox.run("upload", tmp_path / "602.jpg", "--entity", "person", "--id", "602", "--wait")
    for number in (601, 603):
        (tmp_path / f"{number}.jpg").write_bytes(photo())
    run = sandbox.run("upload", tmp_path, "--pattern", "{id}.*", "--entity", "person", "--only-missing", "--dry-run")
    assert "603.jpg" in run.out
    assert "601.jpg" not in run.out
    assert "602.jpg" not in run.out
    manifest = tmp_path / "staff.csv"
    manifest.write_text("person_id;name\n601;Person 601\n603;=HYPERLINK\n604;Person 604\n")
    run = sandbox.run("missing", manifest, expect=1)
    assert "a different name" in run.err
    assert run.out == "line,entity_type,entity_id,given_by,name\n4,person,604,,Person 604\n"


def test_a_picture_that_somebody_deleted_is_uploaded_again_where_only_missing_ones_are(
    sandbox: CliSandbox, tmp_path: Path
) -> None:
    arguments = ("upload", tmp_path, "--pattern", "{id}.*", "--entity", "person", "--only-missing")
    (tmp_path / "605.jpg").write_bytes(photo())
    (tmp_path / "606.jpg").write_bytes(photo()[:300])
    sandbox.run(*arguments, "--wait", expect=1)
    sandbox.superoffice.state.delete_picture("person", 605)
    assert "1 would be uploaded" in sandbox.run(*arguments, "--dry-run").out
    run = sandbox.run(*arguments, "--wait", expect=1)
    assert "1 present, 1 uploaded." in run.out  # the damaged one ends as it did before
    assert "Outcomes: 1 rejected, 1 stored." in run.out
    assert sandbox.superoffice.picture("person", 605)


@pytest.mark.parametrize("body", ['""', "null", "{}", ""])
def test_an_empty_image_info_is_no_error(sandbox: CliSandbox, tmp_path: Path, body: str) -> None:
    sandbox.superoffice.fail(None, status=200, body=body, path="ImageInfo")
    (tmp_path / "companies.csv").write_text("contact_id\n610\n")
    assert sandbox.run("missing", tmp_path / "companies.csv").out.endswith("\n2,contact,610,,\n")
    arguments = ("--pattern", "{id}.*", "--entity", "contact", "--only-missing", "--dry-run", "--json")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/610.jpg").write_bytes(photo())
    assert len(sandbox.run("upload", tmp_path / "photos", *arguments).data["plan"]) == 1
    s3 = sandbox.client("s3")
    s3.create_bucket(Bucket="companies", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="companies", Key="610.jpg", Body=photo())
    assert sandbox.run("backfill", "s3://companies/", *arguments).data["actions"] == {"would copy": 1}
    s3.delete_object(Bucket="companies", Key="610.jpg")
    s3.delete_bucket(Bucket="companies")


def test_accents_match_however_they_are_encoded(sandbox: CliSandbox, tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "Åse Ömer.jpg")).write_bytes(photo())
    manifest = tmp_path / "people.csv"
    manifest.write_bytes("sep=;\r\nFile;Person ID\r\n.\\Åse Ömer.jpg;701.0\r\n".encode("utf-16"))
    (row,) = sandbox.run("upload", tmp_path, "--manifest", manifest, "--dry-run", "--json").data["plan"]
    assert row["key"] == "person/701.jpg"


def test_wrong_usage_has_its_own_exit_status(sandbox: CliSandbox, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo())
    assert "--entity" in sandbox.run("upload", tmp_path / "a.jpg", expect=2).err
    assert "one file" in sandbox.run("upload", tmp_path, "--entity", "person", "--id", "1", expect=2).err
    assert "{nothing}" in sandbox.run("upload", tmp_path, "--pattern", "{nothing}.*", expect=2).err
    sandbox.run("upload", tmp_path / "absent.jpg", "--entity", "person", "--id", "1", expect=2)
    run = sandbox.run("upload", tmp_path / "a.jpg", "--entity", "person", "--id", "1", "--stack", "other", expect=1)
    assert "no stack other" in run.err
