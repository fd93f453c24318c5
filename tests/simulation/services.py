"""What a worker of the model talks to: every call waits for its turn, and goes as the history has it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, Rejected
from image_ingest.ledger import TableSlots
from image_ingest.picture import Picture
from image_ingest.settings import SuperOfficeSettings
from image_ingest.superoffice import Calls, ImageInfo, RateLimits
from image_ingest.target import Target
from tests.simulation.promises import NOTHING, Put
from tests.simulation.virtual import Died
from tests.support import faults

if TYPE_CHECKING:
    from tests.simulation.model import World

RATE = 1  # calls a second, few enough to keep the workers apart
_STATUSES = frozenset({"in_progress", "stored", "rejected", "deferred", "removed"})


class Clients:
    """All of boto3's clients in one: each call waits for its turn, and may fail."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.meta = SimpleNamespace(endpoint_url="https://sqs")

    def head_object(self, **call: Any) -> Any:
        name = f"head {call['Key']} {call.get('VersionId', '')}"
        return self._world.call(name, faults.READ, lambda: self._world.bucket.head_object(**call), "HeadObject")

    def get_object(self, **call: Any) -> Any:
        name = f"get {call.get('VersionId', '')}"
        return self._world.call(name, faults.READ, lambda: self._world.bucket.get_object(**call), "GetObject")

    def list_object_versions(self, **call: Any) -> Any:
        name = f"list {call['Prefix']}"
        return self._world.call(
            name, faults.READ, lambda: self._world.bucket.list_object_versions(**call), "ListObjectVersions"
        )

    def get_item(self, **call: Any) -> Any:
        return self._world.call("read ledger", faults.READ, lambda: self._world.table.get_item(**call), "GetItem")

    def update_item(self, **call: Any) -> Any:
        task = self._world.running
        if call["Key"]["target"]["S"].startswith("#"):
            return self._world.call(
                "write rate limit", faults.WRITE, lambda: self._world.table.update_item(**call), "UpdateItem"
            )
        status = next(v["S"] for v in call["ExpressionAttributeValues"].values() if v.get("S") in _STATUSES)

        def write() -> Any:
            answer = self._world.table.update_item(**call)
            self._world.promises.written(call["Key"]["target"]["S"], task)
            return answer

        return self._world.call(f"write ledger {status}", faults.WRITE, write, "UpdateItem")

    def send_message(self, **call: Any) -> Any:
        attributes = {name: value["StringValue"] for name, value in call["MessageAttributes"].items()}

        def send() -> None:
            self._world.dead_letter(call["MessageBody"], attributes)

        self._world.call(f"dead-letter {attributes['ErrorCode']}", faults.SEND, send, "SendMessage")

    def change_message_visibility(self, **call: Any) -> Any:
        def change() -> None:
            self._world.postpone(call["ReceiptHandle"], call["VisibilityTimeout"])

        self._world.call(f"postpone by {call['VisibilityTimeout']} s", faults.SEND, change)


class SuperOffice:
    """SuperOffice as the client shows it: a blob id, a refusal, or an outcome that nobody knows."""

    def __init__(self, world: World, find_slots: Callable[[str], TableSlots], ahead: float) -> None:
        self._world = world
        self._tenant = ""
        self._limits = RateLimits(
            SuperOfficeSettings(calls_per_second=RATE),
            find_slots,
            warn=self._hear,
            clock=lambda: world.now + ahead,
            sleep=world.sleep,
        )

    def _hear(self, warning: str) -> None:
        self._world.note(warning)
        self._world.promises.fixed_shares += "fixed share" in warning

    def tenant(self, deadline: Deadline) -> str:
        verdict = self._world.ask("read secret", faults.READ)
        if verdict == faults.DIES:
            raise Died
        if verdict == faults.REFUSED:
            raise Deferred("aws.unavailable", "no secret")
        self._tenant = self._world.tenant
        return self._tenant

    def put_image(self, target: Target, picture: Picture, deadline: Deadline, calls: Calls) -> int:
        return self._change(target, picture.data.decode(), deadline, calls)

    def delete_image(self, target: Target, deadline: Deadline, calls: Calls) -> bool:
        self._change(target, NOTHING, deadline, calls)
        return True

    def image_info(self, target: Target, deadline: Deadline, calls: Calls) -> ImageInfo | None:
        raise AssertionError("no history asks whose picture it is")

    def _change(self, target: Target, content: str, deadline: Deadline, calls: Calls) -> int:
        """Shows this content on the target from now on."""
        world = self._world
        limit = self._limits.find(self._tenant)
        limit.await_slot(deadline)
        seconds = deadline.bound(30.0)
        calls.count += 1
        world.promises.call_starts(self._tenant, RATE)
        put = Put(str(target), self._tenant, content, world.running)
        lease_ends = world.promises.put_begins(put)
        verdict = world.ask(f"PUT {content}" if content else "DELETE", faults.PUT, seconds)
        if verdict == faults.RESENT:
            calls.in_doubt = True
            first = world.promises.put_twin(put)
            world.later((lease_ends - world.now) * world.fraction(), lambda: world.promises.put_lands(first))
        if verdict in (faults.LATE, faults.DIES_LATE):
            world.later((lease_ends - world.now) * world.fraction(), lambda: world.promises.put_lands(put))
        elif verdict in (faults.FINE, faults.LOST, faults.DIES_AFTER, faults.RESENT):
            world.promises.put_lands(put)
        else:
            world.promises.put_ends(put)
        if verdict in faults.DEATHS:
            raise Died
        if verdict == faults.NO_RECORD:
            raise Rejected("superoffice.bad-request", "no such person")
        if verdict == faults.NOT_NOW:
            limit.block(world.fraction() * 60, "superoffice.rate-limited")
            raise Deferred("superoffice.rate-limited", "later")
        if verdict not in (faults.FINE, faults.RESENT):
            raise Deferred("superoffice.unavailable", "no answer", in_doubt=True)
        return put.blob_id


class Report:
    def __init__(self, world: World) -> None:
        self._world = world

    def correlate(self, identity: str) -> None: ...

    def warn(self, message: str) -> None: ...

    def upload(self, result: Any, measures: Any, calls: Any) -> None:
        code = f" {result.error_code}" if result.error_code else ""
        self._world.note(f"{result.version_id}: {result.outcome}{code}")
        self._world.promises.outcome(result)
