"""A soak test: 200 uploads for 50 targets arrive while SuperOffice fails in six ways.

`MINUTES=5 python -m sandbox.soak` prints the result. The deployed function runs; only its waits are shorter than in
production (see sandbox/short_waits.py), because waiting for a real outage to pass would take hours.
"""

from __future__ import annotations

import io
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from image_ingest.target import ENTITY_TYPES, Target
from sandbox.aws import DeployedStack, EmbeddedAws, Monitor, start_aws
from sandbox.short_waits import DESCRIPTION, deploy_with_short_waits
from sandbox.superoffice import StandIn, prepare_keys

UPLOADS, TARGETS = 200, 50
DRAIN_SECONDS = 240.0
_LATE = 3.0  # seconds: longer than the function waits for a response here, and shorter than its lease


@dataclass(frozen=True)
class SoakResult:
    """How the uploads ended."""

    uploads: int
    targets: int
    seconds: float
    newest_shown: int  # targets whose newest upload SuperOffice shows, with the blob id that the ledger contains
    on_queue: int
    dead_letters: int
    puts: int
    pictures: int
    faults: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether all uploads are settled and none is lost."""
        return self.newest_shown == self.targets and self.on_queue == self.dead_letters == 0

    def __str__(self) -> str:
        happened = ", ".join(f"{self.faults.count(kind)} x {kind}" for kind in dict.fromkeys(self.faults))
        return "\n".join(
            [
                f"{self.uploads} uploads for {self.targets} targets in {self.seconds:.0f} s. Faults: {happened}.",
                DESCRIPTION,
                f"{self.puts} PUTs arrived at SuperOffice, which stored {self.pictures} pictures.",
                f"{self.newest_shown} of {self.targets} targets show their newest upload, as the ledger says.",
                f"{self.on_queue} messages left on the queue, {self.dead_letters} dead letters.",
                "All settled, none lost." if self.is_good else "FAILED: not all uploads are settled.",
            ]
        )


def soak(
    aws: EmbeddedAws, superoffice: StandIn, seconds: float, uploads: int = UPLOADS, targets: int = TARGETS
) -> SoakResult:
    """Deploys, sends the uploads over `seconds` while SuperOffice fails, and waits until nothing is left to do."""
    began = time.monotonic()
    stack = deploy_with_short_waits(aws, "soak", {"SuperOfficeCallsPerSecond": "1000", "MaxAttempts": "1000"})
    stack.put_secret(superoffice.secret("system_user"))
    faults = _FaultSequence(superoffice)
    newest = _send_uploads(stack, faults, seconds, uploads, targets)
    faults.clear()
    monitor = Monitor(stack)
    on_queue = _drain(monitor)
    shown = sum(_shows_newest(monitor, superoffice, target, number) for target, number in newest.items())
    return SoakResult(
        uploads=uploads,
        targets=len(newest),
        seconds=time.monotonic() - began,
        newest_shown=shown,
        on_queue=on_queue,
        dead_letters=monitor.count_dead_letters(),
        puts=len(superoffice.find_calls("PUT")),
        pictures=sum(len(superoffice.pictures(target.entity_type, target.entity_id)) for target in newest),
        faults=tuple(faults.seen),
    )


class _FaultSequence:
    """The faults of SuperOffice, one after the other."""

    def __init__(self, superoffice: StandIn) -> None:
        self._superoffice = superoffice
        self._draw = random.Random(4)
        self.seen: list[str] = []
        self._kinds: dict[str, Callable[[], object]] = {
            "down": superoffice.down,
            "late responses": lambda: superoffice.fail(times=1, delay=_LATE, stores=True, path="/Image"),
            "503": lambda: superoffice.fail(times=4, status=503),
            "a move of the tenant": superoffice.move_tenant,
            "dropped connections": lambda: superoffice.fail(times=2, drop=True, stores=True),
            "429": lambda: superoffice.fail(times=2, status=429, headers={"Retry-After": "1"}),
        }
        self._due: list[str] = []

    def switch(self) -> None:
        """Switches to the next fault. Each occurs once before any is repeated."""
        self._superoffice.up()
        if not self._due:
            self._due = self._draw.sample([*self._kinds], len(self._kinds))
        self.seen.append(self._due.pop())
        self._kinds[self.seen[-1]]()

    def clear(self) -> None:
        """Ends all faults."""
        self._superoffice.up()
        self._superoffice.clear_faults()


def _send_uploads(
    stack: DeployedStack, faults: _FaultSequence, seconds: float, uploads: int, targets: int
) -> dict[Target, int]:
    """Sends the uploads evenly over the time; the fault changes at least six times. The newest number by target."""
    newest: dict[Target, int] = {}
    draw = random.Random(7)
    period = min(seconds / 7, 20.0)
    began = next_change = time.monotonic()
    for number in range(1, uploads + 1):
        index = number % targets if number <= targets else draw.randrange(targets)
        target = Target(ENTITY_TYPES[index % len(ENTITY_TYPES)], index + 1)
        _upload(stack, target, number, key=f"{target.entity_type}/{target.entity_id}-{draw.randrange(2)}.png")
        newest[target] = number
        if time.monotonic() >= next_change:
            faults.switch()
            next_change += period
        time.sleep(max(0.0, began + seconds * number / uploads - time.monotonic()))
    return newest


def _upload(stack: DeployedStack, target: Target, number: int, key: str) -> None:
    stack.aws.client("s3").put_object(
        Bucket=stack.outputs["UploadBucketName"],
        Key=key,
        Body=_draw_picture(number),
        Metadata={"entity-type": target.entity_type, "entity-id": str(target.entity_id)},
    )


def _draw_picture(number: int) -> bytes:
    """A picture whose width and height encode its number."""
    file = io.BytesIO()
    Image.new("RGB", (1 + number % 30, 1 + number // 30), "teal").save(file, "PNG")
    return file.getvalue()


def _shows_newest(monitor: Monitor, superoffice: StandIn, target: Target, number: int) -> bool:
    shown = superoffice.picture(target.entity_type, target.entity_id)
    size = (1 + number % 30, 1 + number // 30)
    blob_id = monitor.read_item(target).get("blob_id")
    return shown is not None and (shown.width, shown.height) == size and shown.blob_id == blob_id


def _drain(monitor: Monitor) -> int:
    """Waits until the ingest queue is empty. Returns the number of messages left after the longest wait."""
    end = time.monotonic() + DRAIN_SECONDS
    while (left := monitor.count_waiting()) and time.monotonic() < end:
        time.sleep(0.3)
    return left


def main() -> int:
    """Soaks for MINUTES (default 1). Returns 1 if anything is lost or left."""
    prepare_keys()
    minutes = float(os.environ.get("MINUTES") or 1)
    with start_aws() as aws, StandIn() as superoffice:
        result = soak(aws, superoffice, minutes * 60)
    print(result)
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
