"""Whole histories of the ingest in virtual time: the real handler and ledger between services that fail at any call.

A history is a list of numbers (see Choices): which worker moves next, how its call goes, what arrives, what time does.
Run one with `history(numbers)`; it raises PromiseBroken with everything that happened.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, TypeVar

from image_ingest import app, ingest
from image_ingest.aws import DeadLetters, IngestQueue, Objects
from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, Rejected
from image_ingest.ledger import Ledger, Table, TableSlots
from image_ingest.picture import Picture
from image_ingest.settings import Settings
from image_ingest.target import Target
from image_ingest.timing import Timing
from image_ingest.upload import UploadIdentity
from image_ingest.worker import Worker
from tests.simulation.promises import NOTHING, PromiseBroken, Promises, Upload
from tests.simulation.services import Clients, Report, SuperOffice
from tests.simulation.virtual import Choices, Died, Task, Waiting
from tests.simulation.virtual_aws import Bucket, Message, Version
from tests.simulation.virtual_aws import Table as VirtualTable
from tests.support import faults

T = TypeVar("T")

LAMBDA_SECONDS = 120.0
VISIBILITY = 720.0
CLOCKS = (0.0, 0.2, 0.1)  # seconds by which the clocks of the workers are ahead, as the rate limit sees them
BEGINNING = 1_791_200_000.0  # a moment in October 2026
MOST_MOVES = 6000
_MIX = (*["move"] * 8, *["deliver"] * 3, *["upload"] * 2, "time")
EXTRAS = ("duplicate", "redrive", "again", "delete", "another tenant", "remove")


@dataclass(frozen=True)
class Code:
    """The code under test; the mutation tests put other code in its place."""

    ledger: Callable[..., Ledger] = Ledger
    table: Callable[..., Table] = Table
    ingest: Callable[..., ingest.Ingest] = ingest.Ingest
    slots: Callable[[Table, str], TableSlots] = TableSlots


@dataclass(frozen=True)
class Scenario:
    """What kind of history it is; the first numbers decide."""

    uploads: int
    targets: int
    keys: int
    workers: int
    faults_in_hundred: int
    max_attempts: int
    extras: int
    deletions: bool
    moves: bool
    skip_unchanged: bool
    ties: bool
    sequencers: bool
    removals: bool
    likely_faults: frozenset[str]
    pictures: tuple[str, ...] = (*["good"] * 6, "broken", "deadly")

    @classmethod
    def from_choices(cls, choices: Choices) -> Scenario:
        """The plainest: two uploads for one target, two workers, nothing goes wrong."""
        every = sorted({*faults.PUT, *faults.WRITE, *faults.DECODE, *faults.SEND})
        few = frozenset(choices.pick(every) for _ in range(choices.pick([0, 2, 4])))
        return cls(
            uploads=choices.pick([2, 3, 4, 6, 8]),
            targets=choices.pick([1, 1, 1, 2]),
            keys=choices.pick([2, 1, 3]),
            workers=choices.pick([2, 3, 1]),
            faults_in_hundred=choices.pick([0, 4, 8, 16, 32]),
            max_attempts=choices.pick([20, 8, 3]),
            extras=choices.pick([0, 2, 5]),
            deletions=choices.pick([False, False, False, True]),
            moves=choices.pick([False, False, False, True]),
            skip_unchanged=choices.pick([False, False, True]),
            ties=choices.pick([False, True]),
            sequencers=choices.pick([True, False]),
            removals=choices.pick([False, True]),
            likely_faults=few or frozenset(every),
        )


class World:
    """The bucket, the queues, the table, SuperOffice, and up to three workers, all in virtual time."""

    def __init__(self, numbers: Sequence[int], code: Code, focus: Mapping[str, Any]) -> None:
        self.now = BEGINNING
        self.log: list[str] = []
        self._choices = Choices(numbers)
        self.scenario = replace(Scenario.from_choices(self._choices), **focus)
        self._code = code
        self._extras = self.scenario.extras
        self.tenant = "https://crm-1"
        self.bucket = Bucket()
        self.table = VirtualTable()
        self.queue: list[Message] = []
        self.dead_letters: list[Message] = []
        self.uploads: dict[str, Upload] = {}
        self.removals: dict[str, Upload] = {}
        self.promises = Promises(self)
        self._notifications: list[str] = []
        self._next: _Move | None = None
        self._late: list[tuple[float, Callable[[], object]]] = []
        self._tasks: list[Task] = []
        self._running: Task | None = None
        self._environments = [self._environment(slot) for slot in range(self.scenario.workers)]
        self._busy: dict[str, int] = {}
        self._serial = Counter[str]()

    # --- the history -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Moves until nothing is left to do. Raises PromiseBroken."""
        try:
            for _ in range(MOST_MOVES):
                if not self._move():
                    self.promises.at_the_end()
                    return
                self.promises.check()
            raise PromiseBroken(f"It is not over after {MOST_MOVES} moves.")
        finally:
            self._choices, self._next = Choices(()), None
            for task in list(self._tasks):
                while not task.done:
                    self._resume(task, faults.DIES)

    def note(self, what: str) -> None:
        """A line of the history."""
        who = self._running.name if self._running else ""
        self.log.append(f"{self.now - BEGINNING:8.1f} {who:10} {what}")

    def _move(self) -> bool:
        move, self._next = self._next or self._choose(), None
        if move is None:
            return False
        if move.kind in EXTRAS:
            self._extras -= 1
            self._extra(move.kind)
        elif move.kind == "move":
            self._resume(move.of, self._verdict(move))
        else:
            moves: dict[str, Callable[[Any], None]] = {
                "deliver": self._deliver,
                "upload": self._upload,
                "time": self._pass,
            }
            moves[move.kind](move.of)
        return True

    def _choose(self) -> _Move | None:
        """What happens next; what is overdue comes first."""
        for task in self._tasks:
            if task.dies_at <= self.now:
                return _Move("move", task, faults.DEATHS)
            if task.waiting is not None and task.waiting.until <= self.now:
                return _Move("move", task, faults.TIME_OUTS)
        possible: dict[str, Sequence[Any]] = {
            "move": [task for task in self._tasks if task.waiting and task.waiting.earliest <= self.now],
            "deliver": [m for m in self.queue if m.visible_at <= self.now] if self._idle() else [],
            "upload": [None] if len(self.uploads) < self.scenario.uploads else [],
            "time": self._timers(),
        }
        kinds = [kind for kind in _MIX if possible[kind]]
        extras = self._possible_extras() if self._extras > 0 else []
        if not kinds and not extras:
            return None
        kind = self._choices.pick([*kinds, *extras[:1]])
        if kind in EXTRAS:
            return _Move(self._choices.pick(extras))
        return _Move(kind, self._choices.pick(possible[kind]))

    def _timers(self) -> list[float]:
        """Moments at which something could happen, none of them after one at which a worker is overdue."""
        ends = [min(task.dies_at, task.waiting.until) for task in self._tasks if task.waiting]
        times = [message.visible_at for message in self.queue] + [when for when, _ in self._late] + ends
        times += [float(item["lease_until"]["N"]) for item in self.table.items.values() if "lease_until" in item]
        return sorted({when for when in times if self.now < when <= min(ends, default=when)})[:4]

    def _pass(self, until: float) -> None:
        self.now = until
        due = [effect for when, effect in self._late if when <= until]
        self._late = [(when, effect) for when, effect in self._late if when > until]
        for effect in due:
            effect()

    # --- what arrives ----------------------------------------------------------------------------------------------

    def _upload(self, _: None) -> None:
        scenario, number = self.scenario, len(self.uploads) + 1
        target = Target("person", 1 + self._choices.pick(range(scenario.targets)))
        key = f"key-{self._choices.pick(range(scenario.keys))}"
        again = scenario.ties and self.uploads and self._choices.pick([False, True])
        second = self._last_second() + (0 if again else 1)
        kind = self._choices.pick(scenario.pictures)
        content = f"{kind}-{self._choices.pick([1, 2]) if scenario.skip_unchanged else number}"
        identity = UploadIdentity(
            "bucket",
            key,
            f"v{number}",
            self._sequencer(),
            _format_second(second),
            f"etag-v{number}",
        )
        upload = Upload(target, identity, content, second)
        self.uploads[f"v{number}"] = upload
        metadata = {"entity-type": target.entity_type, "entity-id": str(target.entity_id)}
        self.bucket.versions.append(Version(key, f"v{number}", content.encode(), metadata, BEGINNING + second))
        self.note(f"upload v{number} of {key} for {target}, second {second}, {content}")
        self._notify([_record(identity)])

    def _last_second(self) -> int:
        return max((u.second for u in (*self.uploads.values(), *self.removals.values())), default=0)

    def _sequencer(self) -> str | None:
        self._serial["sequencer"] += 1
        return f"{self._serial['sequencer']:016X}" if self.scenario.sequencers else None

    def _remove(self, version: Version) -> None:
        """A user deletes the object whose current version this is."""
        version_id = f"m{len(self.removals) + 1}"
        again = self.scenario.ties and self._choices.pick([False, True])
        second = self._last_second() + (0 if again else 1)
        identity = UploadIdentity(
            "bucket", version.key, version_id, self._sequencer(), _format_second(second), "", is_removal=True
        )
        target = self.uploads[version.version_id].target
        self.removals[version_id] = Upload(target, identity, NOTHING, second)
        self.bucket.versions.append(Version(version.key, version_id, b"", {}, BEGINNING + second, is_marker=True))
        self.note(f"{version.key} is deleted by {version_id}, second {second}")
        self._notify([_record(identity)])

    def _current(self) -> list[Version]:
        keys = dict.fromkeys(version.key for version in self.bucket.versions)
        return [current for key in keys if (current := self.bucket.current(key)) is not None]

    def _notify(self, records: list[Mapping[str, Any]]) -> None:
        body = json.dumps({"Records": records})
        self._notifications.append(body)
        self._enqueue(body)

    def _enqueue(self, body: str) -> None:
        message = Message(self._name("message"), body, visible_at=self.now)
        self.note(f"{message.id} of {', '.join(message.version_ids)} arrives")
        self.queue.append(message)

    def _possible_extras(self) -> list[str]:
        possible: dict[str, object] = {
            "duplicate": self._notifications,
            "redrive": self.dead_letters,
            "again": bool(self._idle()) and [m for m in self.queue if m.receives],
            "delete": self.scenario.deletions and [v for v in self.bucket.versions if not v.is_marker],
            "remove": self.scenario.removals and self._current(),
            "another tenant": self.scenario.moves and self.tenant == "https://crm-1" and self._notifications,
        }
        return [name for name in EXTRAS if possible[name]]

    def _extra(self, kind: str) -> None:
        if kind == "duplicate":
            self._enqueue(self._form(self._choices.pick(self._notifications)))
        elif kind == "redrive":
            letter = self._choices.pick(self.dead_letters)
            self.dead_letters.remove(letter)
            self.note("a dead letter is sent back")
            self._enqueue(letter.body)
        elif kind == "again":
            self._deliver(self._choices.pick([m for m in self.queue if m.receives]))
        elif kind == "delete":
            version = self._choices.pick([version for version in self.bucket.versions if not version.is_marker])
            self.note(f"{version.version_id} is deleted for good")
            self.bucket.delete(version.version_id)
        elif kind == "remove":
            self._remove(self._choices.pick(self._current()))
        else:
            self.tenant = "https://crm-2"
            self.note("the secret names another tenant")

    def _form(self, body: str) -> str:
        """The notification, sometimes as a replay without sequencer and event time would be."""
        if self.scenario.ties or self._choices.pick([True, False]):
            return body
        (record,) = json.loads(body)["Records"]
        if record["eventName"].startswith("ObjectRemoved"):
            return body
        del record["eventTime"]
        record["s3"]["object"].pop("sequencer", None)
        return json.dumps({"Records": [record]})

    # --- workers ---------------------------------------------------------------------------------------------------

    def _environment(self, slot: int) -> Worker:
        settings = replace(
            _SETTINGS,
            max_attempts=self.scenario.max_attempts,
            skip_unchanged=self.scenario.skip_unchanged,
            remove_when_deleted=self.scenario.removals,
        )
        clients: Any = Clients(self)
        return Worker(
            settings=settings,
            ingest=self._code.ingest(
                settings=settings,
                objects=Objects(clients),
                ledger=self._code.ledger(self._code.table(clients, "ledger"), clock=lambda: self.now),
                superoffice=SuperOffice(
                    self, lambda tenant: self._code.slots(Table(clients, "ledger"), tenant), CLOCKS[slot]
                ),
                dead_letters=DeadLetters(clients, "dead-letters"),
                report=Report(self),
                prepare=lambda: Preparation(self),
            ),
            queue=IngestQueue(clients, draw=lambda: 0.5),
            report=Report(self),  # type: ignore[arg-type]  # what is used of a Report
        )

    def _idle(self) -> list[int]:
        return [slot for slot in range(self.scenario.workers) if slot not in self._busy.values()]

    def _deliver(self, message: Message) -> None:
        batch = [message]
        others = [m for m in self.queue if m.visible_at <= self.now and m is not message]
        if others:
            batch += self._choices.pick(([], [], [], [self._choices.pick(others)]))
        for received in list(batch):
            received.receives += 1
            received.visible_at = self.now + VISIBILITY
            if received.receives > self.scenario.max_attempts:
                self.note(f"{received.id} was received too often")
                self.queue.remove(received)
                self.dead_letters.append(received)
                batch.remove(received)
        if batch:
            self._invoke(batch)

    def _invoke(self, batch: list[Message]) -> None:
        slot = self._choices.pick(self._idle())
        name = f"worker-{slot + 1}"
        environment = self._environments[slot]
        records = [message.as_record() for message in batch]
        deadline = Deadline(LAMBDA_SECONDS - Timing().reserve, clock=lambda: self.now)
        invocation = app.Invocation(name, deadline)

        def run() -> None:
            failed = app.handle_messages(environment, {"Records": records}, invocation)["batchItemFailures"]
            self._acknowledge([m for m in batch if {"itemIdentifier": m.id} not in failed])

        task = Task(name, self.now + LAMBDA_SECONDS, run)
        self._tasks.append(task)
        self._busy[name] = slot
        received = ", ".join(f"{m.id} ({', '.join(m.version_ids)}, receipt {m.receives})" for m in batch)
        self.note(f"{name} is handed {received}")
        self._resume(task, "")

    def _acknowledge(self, messages: list[Message]) -> None:
        for message in messages:
            if self.ask(f"delete {message.id}", (faults.REFUSED,)) == faults.FINE and message in self.queue:
                self.queue.remove(message)

    def _verdict(self, move: _Move) -> str:
        waiting: Waiting = move.of.waiting
        if move.verdicts:
            return self._choices.pick([fault for fault in move.verdicts if fault in waiting.faults] or [faults.FINE])
        number = self._choices.number()
        likely = [fault for fault in waiting.faults if fault in self.scenario.likely_faults]
        if number % 100 < 100 - self.scenario.faults_in_hundred or not likely:
            return faults.FINE
        return likely[number // 100 % len(likely)]

    def _resume(self, task: Task, verdict: str) -> None:
        self._running = task
        task.resume(verdict)
        if task.done:
            self._ended(task)
        self._running = None

    def _ended(self, task: Task) -> None:
        self._tasks = [other for other in self._tasks if other is not task]
        slot = self._busy.pop(task.name)
        self.promises.ended(task)
        if isinstance(task.error, Died):
            self._environments[slot] = self._environment(slot)
        elif task.error is not None:
            raise task.error

    # --- what workers see of the world -----------------------------------------------------------------------------

    @property
    def running(self) -> Task:
        """The worker whose code runs now."""
        assert self._running is not None
        return self._running

    def ask(self, name: str, possible: tuple[str, ...], seconds: float = faults.GIVES_UP, earliest: float = 0) -> str:
        """Called by a worker before a call: how it goes."""
        task = self.running
        task.waiting = Waiting(name, possible, self.now + seconds, earliest)
        move = self._choose()
        if move is not None and move.of is task:  # no need to change threads and come back
            verdict = self._verdict(move)
        else:
            self._next = move
            verdict = task.pause()
        task.waiting = None
        self.note(f"{name}: {verdict}")
        return verdict

    def call(self, name: str, possible: tuple[str, ...], effect: Callable[[], T], operation: str = "Call") -> T:
        """A worker's call to AWS."""
        return faults.strike(self.ask(name, possible), operation, effect, self._some_time_later)

    def sleep(self, seconds: float) -> None:
        """Called by a worker that waits for a slot."""
        self.ask("wait for a slot", (), seconds, self.now + seconds)

    def later(self, seconds: float, effect: Callable[[], object]) -> None:
        """Something that arrives late."""
        self._late.append((self.now + seconds, effect))

    def _some_time_later(self, effect: Callable[[], object]) -> None:
        def arrive() -> None:
            try:
                effect()
            except Exception:  # noqa: BLE001  # nobody hears of it any more
                self.note("a late write is refused")
            else:
                self.note("a late write arrives")

        self.later(self._choices.pick([1.0, 60.0, 200.0, 800.0]), arrive)

    def fraction(self) -> float:
        """When within a span something happens."""
        return self._choices.pick([0.5, 0.05, 0.99])

    def _name(self, kind: str) -> str:
        self._serial[kind] += 1
        return f"{kind}-{self._serial[kind]}"

    def dead_letter(self, body: str, attributes: Mapping[str, str]) -> None:
        """A message is sent to the dead-letter queue."""
        self.dead_letters.append(Message(self._name("letter"), body, attributes=attributes))
        self.promises.dead_lettered(self.dead_letters[-1])

    def postpone(self, message_id: str, seconds: int) -> None:
        """A message's visibility time-out is changed."""
        for message in self.queue:
            if message.id == message_id:
                message.visible_at = self.now + seconds


@dataclass(frozen=True)
class _Move:
    """What happens next, to what; of a worker, with which verdicts at most."""

    kind: str
    of: Any = None
    verdicts: tuple[str, ...] = ()


_SETTINGS = Settings.from_environment(
    {"SUPEROFFICE_SECRET_ID": "secret", "LEDGER_TABLE_NAME": "ledger", "DEAD_LETTER_QUEUE_URL": "dead-letters"}
)


def _format_second(second: int) -> str:
    return datetime.fromtimestamp(BEGINNING + second, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _record(identity: UploadIdentity) -> dict[str, Any]:
    obj = {
        "key": identity.key,
        "versionId": identity.version_id,
        "eTag": identity.etag,
        "sequencer": identity.sequencer,
    }
    return {
        "eventSource": "aws:s3",
        "eventName": "ObjectRemoved:DeleteMarkerCreated" if identity.is_removal else "ObjectCreated:Put",
        "eventTime": identity.time,
        "s3": {"bucket": {"name": identity.bucket}, "object": {name: v for name, v in obj.items() if v is not None}},
    }


class Preparation:
    """A picture that is not decoded: its bytes say how that ends."""

    is_confined = None

    def __init__(self, world: World) -> None:
        self._world = world
        self.file = BytesIO()

    def close(self) -> None: ...

    def start(self, settings: object) -> None: ...

    def make_picture(self, settings: object, deadline: Deadline) -> Picture:
        """The bytes themselves. Raises what decoding them would."""
        source = self.file.getvalue()
        verdict = self._world.ask(f"decode {source.decode()}", faults.DECODE, deadline.bound(20.0))
        if verdict == faults.DIES or source.startswith(b"deadly"):
            raise Died
        if verdict == faults.OUT_OF_TIME:
            raise Deferred("worker.out-of-time", "slow")
        if source.startswith(b"broken"):
            raise Rejected("image.unreadable", "broken")
        return Picture(source, "image/jpeg", 1, 1, "JPEG")


def history(numbers: Sequence[int], code: Code | None = None, focus: Mapping[str, Any] | None = None) -> World:
    """Runs one history to its end, its scenario by `focus` where that says. Raises PromiseBroken with all of it."""
    world = World(numbers, code or Code(), focus or {})
    try:
        world.run()
    except PromiseBroken as broken:
        raise PromiseBroken("\n".join([str(broken), str(world.scenario), *world.log])) from None
    return world
