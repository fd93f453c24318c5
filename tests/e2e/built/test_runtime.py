"""The built packages under Lambda's own runtime, with the role's rights, against the sandbox's AWS and SuperOffice."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from image_ingest.target import Target
from sandbox.aws import DeployedStack, EmbeddedAws, Monitor
from sandbox.demo.album import make_album
from sandbox.demo.send import find_mismatches, send_samples
from sandbox.lambda_runtime import Built, Emulator, isolate, this_machine
from sandbox.superoffice import StandIn
from tests import ROOT
from tests.lambda_runtime.build_artifacts import digests
from tests.lambda_runtime.trigger import Trigger, emulator, take_over
from tests.pictures.attacks import ATTACKS
from tests.pictures.hostile import with_order
from tests.support.sandbox_stacks import deploy

MIB = 2**20
STEADY_SECONDS = 10  # of a function's time-out: its reserve of 5, the least time of 3, and 2 to work in


@dataclass
class Scene:
    """A deployed stack whose function runs in the emulator."""

    stack: DeployedStack
    superoffice: StandIn
    emulator: Emulator
    trigger: Trigger

    def upload(self, key: str, data: bytes, target: str | None) -> None:
        entity_type, _, entity_id = (target or "").partition("#")
        metadata = {"entity-type": entity_type, "entity-id": entity_id} if target else {}
        bucket = self.stack.outputs["UploadBucketName"]
        self.stack.aws.client("s3").put_object(Bucket=bucket, Key=key, Body=data, Metadata=metadata)

    def item(self, target: str) -> Any:
        entity_type, _, entity_id = target.partition("#")
        return Monitor(self.stack).read_item(Target(entity_type, int(entity_id)))  # type: ignore[arg-type]  # a literal

    def is_in_sync(self, target: str) -> bool:
        """Whether the ledger holds the blob id of what SuperOffice shows."""
        entity_type, _, entity_id = target.partition("#")
        shown, item = self.superoffice.picture(entity_type, int(entity_id)), self.item(target)
        return shown is not None and (item.get("status"), item.get("blob_id")) == ("stored", shown.blob_id)

    def calls_for(self, target: str) -> int:
        entity_type, _, entity_id = target.partition("#")
        return len(self.superoffice.find_calls("PUT", f"{entity_type}/{entity_id}/"))

    def let_time_pass(self, target: str, record: dict[str, Any]) -> None:
        """The lease of a dead worker ends, and then its message is visible again."""
        self.stack.aws.client("dynamodb").update_item(
            TableName=self.stack.outputs["LedgerTableName"],
            Key={"target": {"S": target}},
            UpdateExpression="SET lease_until = :past",
            ExpressionAttributeValues={":past": {"N": "1"}},
        )
        self.stack.aws.client("sqs").change_message_visibility(
            QueueUrl=self.stack.outputs["IngestQueueUrl"], ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0
        )

    def attempt(self) -> tuple[dict[str, Any], int, str]:
        """One delivery: its record, and how the emulator answered."""
        (record,) = self.trigger.receive(wait=5)
        status, body = self.emulator.invoke({"Records": [record]})
        self.trigger.settle([record], status, body)
        return record, status, body


Stage = Callable[..., Scene]


@pytest.fixture
def stage(aws: EmbeddedAws, superoffice: StandIn, built: dict[str, Built]) -> Iterator[Stage]:
    running: list[Emulator] = []

    def start(seconds: int = 30, package: Built | None = None, **settings: str) -> Scene:
        stack, package = deploy(aws, superoffice), package or built[this_machine()]
        running.append(emulator(package, stack, take_over(stack), seconds, **settings).__enter__())
        scene = Scene(stack, superoffice, running[-1], Trigger(stack, running[-1]))
        assert scene.emulator.answer({"Records": []}) == {"results": []}
        assert scene.trigger.poll() == []  # S3's test event, unless the sandbox's own trigger had it
        return scene

    try:
        yield start
    finally:
        for worker in running:
            worker.close()


def photo(size: tuple[int, int] = (1600, 1200), form: str = "JPEG") -> bytes:
    pillow_heif.register_heif_opener()
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, form)
    return file.getvalue()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.01)


def test_the_album_arrives_and_the_code_folders_stay_as_they_were(stage: Stage, built: dict[str, Built]) -> None:
    scene, package = stage(), built[this_machine()]
    before = digests(package.function), digests(package.layer)
    with scene.trigger.polling():
        settled = send_samples(scene.stack, make_album(), lambda _: None)
    assert find_mismatches(scene.stack, scene.superoffice, settled) == {}
    assert (digests(package.function), digests(package.layer)) == before


def test_code_that_took_the_decoder_over_reaches_nothing(stage: Stage, built: dict[str, Built], tmp_path: Path) -> None:
    scene = stage(package=replace_decoder(built[this_machine()], tmp_path / "function"))
    targets = {attack: f"person#{number}" for number, attack in enumerate(ATTACKS, 1)}
    with scene.trigger.polling():
        for attack, target in targets.items():
            scene.upload(f"{attack}.jpg", with_order(photo(), attack, "1"), target)
        scene.upload("next.jpg", photo(), "person#1000")
        wait_for(lambda: all("status" in scene.item(target) for target in (*targets.values(), "person#1000")), 60)
        wait_for(lambda: all(scene.item(target)["status"] == "rejected" for target in targets.values()))
        wait_for(lambda: scene.is_in_sync("person#1000"))
    assert {scene.item(target)["error_code"] for target in targets.values()} == {"image.unreadable"}
    assert all("system call" in scene.item(target)["error_message"] for target in targets.values())
    assert all(scene.calls_for(target) == 0 for target in targets.values())


def replace_decoder(package: Built, folder: Path) -> Built:
    """The package with a decoder that does what the end of a picture tells it."""
    shutil.copytree(package.function, folder)
    for name in ("__init__", "pictures/__init__", "pictures/attacks", "pictures/hostile"):
        (folder / "tests" / "pictures").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / f"{name}.py", folder / "tests" / f"{name}.py")
    module = folder / "image_ingest" / "picture" / "preparation.py"
    text = module.read_text(encoding="utf-8")
    assert '"image_ingest.picture.decoder"' in text
    module.write_text(text.replace('"image_ingest.picture.decoder"', '"tests.pictures.hostile"'), encoding="utf-8")
    for compiled in module.parent.glob("__pycache__/preparation.*"):
        compiled.unlink()
    return replace(package, function=folder)


def test_the_function_cannot_write_to_its_code(built: dict[str, Built]) -> None:
    package = built[this_machine()]
    isolate(package)
    with Emulator(package, {"AWS_REGION": "eu-north-1"}) as lambda_:
        lambda_.invoke({"Records": []})
        options = mount_options(lambda_.worker())
    assert {place: options[place][0] for place in ("/var/task", "/opt", "/opt/python")} == {
        "/var/task": "ro",
        "/opt": "ro",
        "/opt/python": "ro",
    }


def mount_options(pid: int) -> dict[str, list[str]]:
    mounts = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    return {fields[4]: fields[5].split(",") for fields in map(str.split, mounts)}


def test_a_batch_with_mixed_outcomes_keeps_what_may_work_later(stage: Stage) -> None:
    scene = stage()
    scene.superoffice.fail(None, status=429, path="person/3/")
    scene.upload("stored.jpg", photo(), "person#1")
    scene.upload("refused.jpg", b"no picture", "person#2")
    scene.upload("deferred.jpg", photo(), "person#3")
    scene.upload("stray.jpg", photo(), None)
    scene.upload("folder/", b"", None)
    records: list[dict[str, Any]] = []
    while len(records) < 5:
        records += scene.trigger.receive(10)
    answer = scene.emulator.answer({"Records": records})
    (deferred,) = [record["messageId"] for record in records if "deferred.jpg" in record["body"]]
    assert answer == {"batchItemFailures": [{"itemIdentifier": deferred}]}
    assert scene.is_in_sync("person#1")
    letters = Monitor(scene.stack).read_dead_letter_codes()
    assert letters == {"refused.jpg": "image.unsupported-format", "stray.jpg": "target.missing"}
    assert (scene.item("person#3")["status"], scene.item("person#3")["error_code"]) == (
        "deferred",
        "superoffice.rate-limited",
    )


def test_every_format_and_a_system_user_s_login_find_their_libraries(stage: Stage) -> None:
    scene = stage()
    scene.stack.put_secret(scene.superoffice.secret("system_user"))
    formats = ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "AVIF", "HEIF")
    for number, form in enumerate(formats, 1):
        scene.upload(form, photo((640, 480), form), f"person#{number}")

    def are_stored() -> bool:
        assert scene.trigger.poll(10) == []
        return all(scene.is_in_sync(f"person#{number}") for number in range(1, len(formats) + 1))

    wait_for(are_stored)
    assert scene.superoffice.authentications == 1


@pytest.mark.parametrize(
    ("harm", "status", "says"),
    [
        (Emulator.kill_worker, 502, "Runtime exited with error: signal: killed"),
        (Emulator.freeze_worker, 200, f"Task timed out after {STEADY_SECONDS}.00 seconds"),
    ],
    ids=["killed", "timed out"],
)
def test_a_worker_that_dies_in_mid_upload_loses_nothing(
    stage: Stage, harm: Callable[[Emulator], None], status: int, says: str
) -> None:
    scene = stage(STEADY_SECONDS)
    scene.superoffice.fail(1, delay=2, stores=True)
    scene.upload("ada.jpg", photo(), "person#1")
    (record,) = scene.trigger.receive()
    with scene.emulator.invoking({"Records": [record]}) as answer:
        wait_for(lambda: scene.calls_for("person#1") == 1)
        harm(scene.emulator)
    assert answer()[0] == status
    assert says in answer()[1]
    assert scene.item("person#1")["status"] == "in_progress"

    assert scene.emulator.answer({"Records": []}) == {"results": []}, "the next worker has started"
    scene.let_time_pass("person#1", record)
    assert scene.trigger.poll() == [], scene.item("person#1")
    assert scene.is_in_sync("person#1")
    assert scene.calls_for("person#1") == 2, "the same bytes are sent once more"
    assert scene.trigger.receive(wait=0) == []


def test_memory_that_runs_out_costs_a_decoder_the_picture_and_a_worker_three_attempts(stage: Stage) -> None:
    scene = stage(AWS_LAMBDA_FUNCTION_MEMORY_SIZE="4096")  # more than there is
    scene.upload("first.jpg", photo(), "person#1")
    assert scene.trigger.poll() == []
    scene.emulator.allow_memory(30 * MIB)

    scene.upload("huge.png", photo((9000, 9000), "PNG"), "person#2")
    scene.attempt()
    assert scene.item("person#2")["error_message"] == "Decoding the picture took more memory than the function has."
    scene.upload("second.jpg", photo(), "person#1")
    assert scene.trigger.poll() == []
    assert scene.calls_for("person#1") == 2, "the worker lives on"

    scene.upload("heavy.jpg", os.urandom(45 * MIB), "person#3")
    for _ in range(3):
        record, status, body = scene.attempt()
        assert status == 502, body
        assert json.loads(body)["errorType"] == "Runtime.ExitError"
        scene.let_time_pass("person#3", record)
    _, status, body = scene.attempt()
    assert (status, json.loads(body)) == (200, {"batchItemFailures": []})
    assert Monitor(scene.stack).read_dead_letter_codes()["heavy.jpg"] == "worker.crashed"
    assert scene.item("person#3")["status"] == "rejected"


def test_a_layer_for_another_processor_is_named_in_one_sentence(built: dict[str, Built]) -> None:
    mine = built[this_machine()]
    (other,) = [package for name, package in built.items() if name != this_machine()]
    mixed = replace(mine, layer=other.layer)
    with Emulator(mixed, {"AWS_REGION": "eu-north-1"}) as lambda_:
        _, body = lambda_.invoke({"Records": []})
    message = json.loads(body)["errorMessage"]
    assert message.startswith(f"The packages were built for {other.architecture}, but the function runs on")
    assert message.endswith("sam build && sam deploy")


def test_bad_settings_are_told_at_every_invocation(built: dict[str, Built]) -> None:
    with Emulator(built[this_machine()], {"AWS_REGION": "eu-north-1", "IMAGE_FIT": "stretch"}) as lambda_:
        for _ in range(2):
            status, body = lambda_.invoke({"Records": []})
            answer = json.loads(body)
            assert (status, answer["errorType"]) == (200, "InvalidSettings")
            assert {"SUPEROFFICE_SECRET_ID", "LEDGER_TABLE_NAME", "DEAD_LETTER_QUEUE_URL", "IMAGE_FIT"} <= set(
                re.findall("[A-Z_]+[A-Z]", answer["errorMessage"])
            )
