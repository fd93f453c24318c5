"""Bad days, on purpose: SuperOffice goes down, answers late and moves while 200 uploads for 50 targets arrive.

`MINUTES=5 python -m sandbox.soak` prints what became of them. The function that runs is the deployed one; only its
waits are shorter than in production (see _LAUNCHER), as a soak of a real outage would take hours.
"""

from __future__ import annotations

import io
import os
import random
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from sandbox.aws.emulator import TEMPLATE, EmbeddedAws, Stack, embedded_aws
from sandbox.aws.packages import function_zip
from sandbox.superoffice import StandIn
from sandbox.superoffice.state import ENTITIES, warm_up

UPLOADS, TARGETS = 200, 50
DRAIN_SECONDS = 240.0
_LATE = 4.0  # seconds; longer than the function waits for an answer here, and shorter than its lease
_NAME = "hurried"
_LAUNCHER = """\
\"\"\"The function as it is, with shorter waits. Only the soak's own deployment has this file.\"\"\"
from image_ingest import ingest
from image_ingest.aws import ingest_queue
from image_ingest.app import lambda_handler
from image_ingest.superoffice import transport

ingest_queue.FIRST_BACK_OFF = 1  # seconds, instead of 30
ingest_queue.LONGEST_BACK_OFF = 6  # instead of six hours
ingest.LEASE_MARGIN = 6.0  # instead of 30
transport._EXCHANGE_SECONDS = 3.0  # instead of 30
"""
_SHORTER = (
    ("Handler: image_ingest.app.lambda_handler", f"Handler: {_NAME}.lambda_handler"),
    ("Timeout: 120", "Timeout: 15"),
    ("VisibilityTimeout: 720", "VisibilityTimeout: 90"),
)
_NOTE = (
    "Waits are cut short for the soak: back-off 1 to 6 s (production 30 s to 6 h), "
    "a call to SuperOffice 3 s (30 s), an invocation 15 s (120 s), lease margin 6 s (30 s)."
)


@dataclass(frozen=True)
class Soaked:
    """What became of the uploads."""

    uploads: int
    targets: int
    seconds: float
    newest_shown: int  # targets that show their newest upload, and whose blob id the ledger holds
    on_queue: int
    dead_letters: int
    puts: int
    pictures: int
    weather: tuple[str, ...]

    @property
    def good(self) -> bool:
        """All settled, none lost."""
        return self.newest_shown == self.targets and self.on_queue == self.dead_letters == 0

    def __str__(self) -> str:
        happened = ", ".join(f"{self.weather.count(kind)} x {kind}" for kind in dict.fromkeys(self.weather))
        return "\n".join(
            [
                f"{self.uploads} uploads for {self.targets} targets in {self.seconds:.0f} s. Weather: {happened}.",
                _NOTE,
                f"{self.puts} PUTs arrived at SuperOffice, which stored {self.pictures} pictures.",
                f"{self.newest_shown} of {self.targets} targets show their newest upload under the ledger's blob id.",
                f"{self.on_queue} messages left on the queue, {self.dead_letters} dead letters.",
                "All settled, none lost." if self.good else "NOT all is settled.",
            ]
        )


def soak(
    aws: EmbeddedAws, superoffice: StandIn, seconds: float, uploads: int = UPLOADS, targets: int = TARGETS
) -> Soaked:
    """Deploys, lets the uploads arrive over `seconds` of bad weather, and waits until nothing is left to do."""
    began = time.monotonic()
    stack = _deploy(aws)
    stack.put_secret(superoffice.secret("system_user"))
    weather = _Weather(superoffice)
    newest = _arrivals(stack, weather, seconds, uploads, targets)
    weather.clears()
    on_queue = _drained(stack)
    shown = sum(_shows_newest(stack, superoffice, target, number) for target, number in newest.items())
    return Soaked(
        uploads=uploads,
        targets=len(newest),
        seconds=time.monotonic() - began,
        newest_shown=shown,
        on_queue=on_queue,
        dead_letters=_messages(stack, stack.outputs["DeadLetterQueueUrl"]),
        puts=len(superoffice.called("PUT")),
        pictures=sum(len(superoffice.pictures(*target)) for target in newest),
        weather=tuple(weather.seen),
    )


class _Weather:
    """What goes wrong with SuperOffice, one thing after the other."""

    def __init__(self, superoffice: StandIn) -> None:
        self._superoffice = superoffice
        self._draw = random.Random(4)
        self.seen: list[str] = []
        self._kinds: dict[str, Callable[[], object]] = {
            "down": superoffice.down,
            "late answers": lambda: superoffice.fail(times=1, delay=_LATE, stores=True, path="/Image"),
            "503": lambda: superoffice.fail(times=4, status=503),
            "a move of the tenant": superoffice.move_tenant,
            "dropped connections": lambda: superoffice.fail(times=2, drop=True, stores=True),
            "429": lambda: superoffice.fail(times=2, status=429, headers={"Retry-After": "1"}),
        }
        self._due: list[str] = []

    def changes(self) -> None:
        """The next kind of weather; each comes once before one comes again."""
        self._superoffice.up()
        if not self._due:
            self._due = self._draw.sample([*self._kinds], len(self._kinds))
        self.seen.append(self._due.pop())
        self._kinds[self.seen[-1]]()

    def clears(self) -> None:
        """SuperOffice is well again."""
        self._superoffice.up()
        self._superoffice.clear_weather()


def _deploy(aws: EmbeddedAws) -> Stack:
    template = TEMPLATE.read_text()
    for text, shorter in _SHORTER:
        assert template.count(text) == 1, f"the template should have once: {text}"
        template = template.replace(text, shorter)
    parameters = {"SuperOfficeCallsPerSecond": "1000", "MaxAttempts": "1000"}
    stack = aws.deploy(parameters, template=template, stack_name="soak")
    package = io.BytesIO(function_zip())
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr(f"{_NAME}.py", _LAUNCHER)
    aws.client("lambda").update_function_code(
        FunctionName=stack.outputs["ImageIngestFunctionName"], ZipFile=package.getvalue()
    )
    return stack


def _arrivals(
    stack: Stack, weather: _Weather, seconds: float, uploads: int, targets: int
) -> dict[tuple[str, int], int]:
    """Uploads evenly over the time, the weather changing six times or more; the newest number by target."""
    newest: dict[tuple[str, int], int] = {}
    draw = random.Random(7)
    spell = min(seconds / 7, 20.0)
    began = next_change = time.monotonic()
    for number in range(1, uploads + 1):
        target = number % targets if number <= targets else draw.randrange(targets)
        entity = ENTITIES[target % len(ENTITIES)]
        _upload(stack, entity, target + 1, number, key=f"{entity}/{target + 1}-{draw.randrange(2)}.png")
        newest[entity, target + 1] = number
        if time.monotonic() >= next_change:
            weather.changes()
            next_change += spell
        time.sleep(max(0.0, began + seconds * number / uploads - time.monotonic()))
    return newest


def _upload(stack: Stack, entity: str, entity_id: int, number: int, key: str) -> None:
    stack.aws.client("s3").put_object(
        Bucket=stack.outputs["UploadBucketName"],
        Key=key,
        Body=_picture(number),
        Metadata={"entity-type": entity, "entity-id": str(entity_id)},
    )


def _picture(number: int) -> bytes:
    """A picture whose width and height tell its number."""
    file = io.BytesIO()
    Image.new("RGB", (1 + number % 30, 1 + number // 30), "teal").save(file, "PNG")
    return file.getvalue()


def _shows_newest(stack: Stack, superoffice: StandIn, target: tuple[str, int], number: int) -> bool:
    shown = superoffice.picture(*target)
    answer = stack.aws.client("dynamodb").get_item(
        TableName=stack.outputs["LedgerTableName"], Key={"target": {"S": "{}#{}".format(*target)}}
    )
    blob_id = answer.get("Item", {}).get("blob_id", {}).get("N")
    size = (1 + number % 30, 1 + number // 30)
    return shown is not None and (shown.width, shown.height) == size and str(shown.blob_id) == blob_id


def _drained(stack: Stack) -> int:
    """Waits until the ingest queue is empty; how many messages are left after the longest wait."""
    end = time.monotonic() + DRAIN_SECONDS
    while (left := _messages(stack, stack.outputs["IngestQueueUrl"])) and time.monotonic() < end:
        time.sleep(0.3)
    return left


def _messages(stack: Stack, queue_url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer: Any = stack.aws.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)
    return sum(int(count) for count in answer["Attributes"].values())


def main() -> int:
    """Soaks for MINUTES (1); exit status 1 if anything is lost or left."""
    warm_up()
    minutes = float(os.environ.get("MINUTES") or 1)
    with embedded_aws() as aws, StandIn() as superoffice:
        soaked = soak(aws, superoffice, minutes * 60)
    print(soaked)
    return 0 if soaked.good else 1


if __name__ == "__main__":
    sys.exit(main())
