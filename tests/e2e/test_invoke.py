"""`make invoke`, with the built function under Lambda's emulator, and against a deployed stack."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote_plus

import pytest
from PIL import Image

from sandbox.aws import EmbeddedAws
from sandbox.invoke.__main__ import main
from sandbox.invoke.deployed import ObjectRequest, invoke_on_object, parse_request
from sandbox.invoke.outcome import Answer, parse_answer
from sandbox.invoke.sam import SamLocal
from sandbox.lambda_runtime import LAMBDA_PYTHON, SAM, need, this_machine
from sandbox.superoffice import StandIn
from tests import ROOT
from tests.support.sandbox_stacks import deploy

FOLDER = ROOT / ".aws-sam/invoke"
NAME = """O'Brien "me" + å 100%.jpg"""
WITHOUT_AWS = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none"}
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "sandbox"}


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DOCKER_"))}
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**kept, "PYTHONPATH": f"{ROOT}/functions:{ROOT}", **WITHOUT_AWS, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def invoke(**variables: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "sandbox.invoke", **variables)


def read_commands(name: str) -> list[str]:
    """The `make invoke` lines of a document, without their comments."""
    text = (ROOT / name).read_text()
    return [line.partition("  #")[0].strip() for line in re.findall(r"^make invoke .*$", text, re.MULTILINE)]


def read_line(printed: str, name: str) -> str:
    """What follows the name at the start of a line."""
    (found,) = re.findall(rf"^{name}: +(.*)$", printed, re.MULTILINE)
    return str(found)


@pytest.fixture
def _build_tools() -> None:
    need(SAM)
    need(LAMBDA_PYTHON)


@pytest.mark.usefixtures("_build_tools")
def test_the_documented_command_stores_a_photo_and_the_files_of_the_invocation_stay(tmp_path: Path) -> None:
    photo = tmp_path / NAME
    Image.new("RGB", (1600, 1200), "teal").save(photo)
    (command,) = {read_commands(document)[0] for document in ("README.md", "docs/deploying.md")}
    assert command == "make invoke PHOTO=me.jpg FOR=person/1"
    words = ["make", f"PYTHON={sys.executable}", *shlex.split(command.replace("me.jpg", shlex.quote(str(photo))))[1:]]
    done = run(*words, SAM_LOCAL_FLAGS="--skip-pull-image")
    assert done.returncode == 0, done.stderr
    outcome = re.fullmatch(r"stored: blob id (\d+)", read_line(done.stdout, "Outcome"))
    assert outcome is not None
    assert read_line(done.stdout, "Ledger").startswith(f"person#1, status=stored, blob_id={outcome[1]}, width=1024")
    picture = read_line(done.stdout, "Picture").partition(",")[0]
    with Image.open(ROOT / picture) as shown:
        assert shown.size == (1024, 768)

    (record,) = json.loads((FOLDER / "event.json").read_text())["Records"]
    described = record["s3"]["object"]
    assert unquote_plus(described["key"]) == NAME
    assert described["size"] == photo.stat().st_size
    assert {"sequencer", "versionId"}.isdisjoint(described)
    settings = json.loads((FOLDER / "environment.json").read_text())["ImageIngestFunction"]
    declared = (FOLDER / "build/template.yaml").read_text()
    assert {name for name in settings if f"          {name}:" not in declared} == set(), "sam would drop these"
    assert settings["AWS_CA_BUNDLE"] == "/var/task/ca-bundle.pem"
    assert (FOLDER / "build/ImageIngestFunction/ca-bundle.pem").is_file()
    variables, words = split_variables(shlex.split(read_line(done.stdout, "By hand")))
    assert {"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(variables)
    files = ["-t", ".aws-sam/invoke/build/template.yaml", "-e", ".aws-sam/invoke/event.json"]
    files += ["-n", ".aws-sam/invoke/environment.json"]
    architecture = ["--parameter-overrides", f"Architecture={this_machine()}"]
    assert words[1:] == ["local", "invoke", "ImageIngestFunction", *files, *architecture, "--skip-pull-image"]


def split_variables(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The variables that a line of the shell sets, and its command."""
    variables = dict(word.split("=", 1) for word in takewhile(re.compile(r"[A-Z_]+=").match, words))
    return variables, words[len(variables) :]


def test_the_documented_command_for_a_stack_is_understood() -> None:
    stack = "superoffice-image-ingest"
    assert read_commands("docs/deploying.md")[1:] == [f"make invoke STACK={stack} OBJECT=s3://bucket/key"]
    request = parse_request({"STACK": stack, "OBJECT": "s3://bucket/key"})
    assert request == ObjectRequest(stack, "bucket", "key")


@pytest.mark.usefixtures("_build_tools")
def test_a_file_that_is_no_photo_is_told_with_its_code(tmp_path: Path) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("no photo")
    done = invoke(PHOTO=str(text), FOR="project/7")
    assert done.returncode == 1
    assert read_line(done.stdout, "Outcome").startswith("rejected: image.unsupported-format: ")
    assert "error_code=image.unsupported-format" in read_line(done.stdout, "Ledger")
    assert read_line(done.stdout, "Picture") == "SuperOffice has none"
    assert done.stderr == "", "nothing is built a second time"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "Name the photo and its record: make invoke PHOTO=me.jpg FOR=person/1"),
        ({"FOR": "person/1"}, "Name the photo and its record: make invoke PHOTO=me.jpg FOR=person/1"),
        ({"PHOTO": "/none.jpg", "FOR": "person/1"}, "PHOTO: the file /none.jpg does not exist."),
        ({"PHOTO": __file__}, "FOR names the record, such as person/1: "),
        ({"PHOTO": __file__, "FOR": "person/0"}, "FOR names the record, such as person/1: "),
        ({"PHOTO": __file__, "FOR": "sale/1"}, "FOR names the record, such as person/1: "),
        ({"PHOTO": __file__, "FOR": "person/1", "VIA": "docker"}, "VIA must be sam, or be left out. It is docker."),
        ({"STACK": "ingest"}, "Name the stack and the object: make invoke STACK=name OBJECT=s3://bucket/key"),
        ({"OBJECT": "s3://b/k"}, "Name the stack and the object: make invoke STACK=name OBJECT=s3://bucket/key"),
        ({"STACK": "s", "OBJECT": "s3://b/k", "PHOTO": __file__}, "Name either PHOTO and FOR, or STACK and OBJECT."),
    ],
)
def test_wrong_variables_are_one_line(
    variables: Mapping[str, str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(variables) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(says)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "There are no AWS credentials. Set AWS_PROFILE, or run: aws configure"),
        ({"AWS_PROFILE": "typo"}, "The config profile (typo) could not be found"),
        (CREDENTIALS, "There is no AWS region. Set AWS_DEFAULT_REGION to the region of the stack."),
        (
            {**CREDENTIALS, "AWS_REGION": "eu-north-1", "DOCKER_HOST": "unix:///none.sock"},
            "`sam local invoke` needs a container engine such as Docker, and none answers. ",
        ),
    ],
    ids=["no credentials", "no profile", "no region", "no engine"],
)
def test_without_what_a_deployed_stack_needs_one_line_says_so(variables: Mapping[str, str], says: str) -> None:
    done = invoke(STACK="ingest", OBJECT="s3://bucket/key", **variables)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(says)


class RecordedSam(SamLocal):
    """Stands for a container engine, which the machine that runs the tests may lack."""

    def check(self) -> None:
        """There is an engine."""

    def invoke(self, environment: Mapping[str, str]) -> Answer:
        """Keeps what `sam local invoke` would have read."""
        self.environment = dict(environment)
        self.event = json.loads((FOLDER / "event.json").read_text())
        self.settings = json.loads((FOLDER / "environment.json").read_text())["ImageIngestFunction"]
        return Answer("duplicate", 101)


@pytest.fixture
def admin(aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> EmbeddedAws:
    """This process has the administrator's credentials, as an operator's shell has."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    return aws


def test_an_object_of_a_deployed_stack_is_invoked_with_the_stack_s_own_settings(
    admin: EmbeddedAws, superoffice: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    stack, sam, key = deploy(admin, superoffice), RecordedSam(), "a folder/O'Brien + å.jpg"
    bucket = stack.outputs["UploadBucketName"]
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    put = admin.client("s3").put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())
    assert invoke_on_object(ObjectRequest(stack.name, bucket, key), sam)
    (record,) = sam.event["Records"]
    assert (record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])) == (bucket, key)
    assert record["s3"]["object"]["versionId"] == put["VersionId"]
    assert sam.settings["LEDGER_TABLE_NAME"] == stack.outputs["LedgerTableName"]
    assert sam.settings["AWS_ENDPOINT_URL"] == admin.endpoint_url
    assert sam.environment == {"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "eu-north-1"}
    printed = capsys.readouterr()
    assert read_line(printed.out, "Outcome") == "duplicate: blob id 101"
    assert "in the stack's own bucket, so the deployed function has usually stored it already" in printed.err


def test_what_is_not_there_is_one_sentence(admin: EmbeddedAws, superoffice: StandIn) -> None:
    stack, sam = deploy(admin, superoffice), RecordedSam()
    for name, bucket, says in (
        (stack.name, stack.outputs["UploadBucketName"], r"There is no object s3://.*/none\.jpg\."),
        (stack.name, "no-such-bucket", r"There is no object s3://no-such-bucket/none\.jpg\."),
        ("no-such-stack", "bucket", r"no-such-stack does not exist"),
    ):
        with pytest.raises(Exception, match=says) as failed:
            invoke_on_object(ObjectRequest(name, bucket, "none.jpg"), sam)
        assert type(failed.value).__name__ == "InvokeFailed"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            'START\n{"results": [{"outcome": "stored", "blob_id": 7, "error_code": null, "message": null}]}\n',
            "stored: blob id 7",
        ),
        (
            '{"errorMessage": "1 of 1 uploads were deferred: aws.denied", "errorType": "IngestDeferred"}',
            "deferred: IngestDeferred: 1 of 1 uploads were deferred: aws.denied",
        ),
        (
            '{"errorMessage": "IMAGE_FIT", "errorType": "InvalidSettings"}',
            "failed: InvalidSettings: IMAGE_FIT",
        ),
        ("2026 Task timed out after 3.00 seconds", "failed: 2026 Task timed out after 3.00 seconds"),
        ("", "failed: no answer"),
    ],
)
def test_every_kind_of_answer_is_read(text: str, answer: str) -> None:
    assert str(parse_answer(text)) == answer
