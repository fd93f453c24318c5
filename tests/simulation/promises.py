"""The four promises of docs/guarantee.md, watched over a history from outside the code under test."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

from image_ingest.ledger import CRASH_LIMIT, compare, same_upload
from image_ingest.target import Target
from image_ingest.upload import UploadIdentity
from tests.simulation.virtual import Task
from tests.simulation.virtual_aws import Message

if TYPE_CHECKING:
    from tests.simulation.model import World


NOTHING = ""  # the content of a record without a picture


class PromiseBroken(AssertionError):
    """One of the promises does not hold in this history."""


@dataclass(frozen=True)
class Upload:
    """An upload or a removal, and what the target shows by it; `second` is its time."""

    target: Target
    identity: UploadIdentity
    content: str
    second: int


@dataclass(eq=False)
class Put:
    """One PUT or DELETE that a worker started; `blob_id` is 0 until SuperOffice has carried it out."""

    target: str
    tenant: str
    content: str
    task: Task
    version_id: str = ""
    blob_id: int = 0


class Promises:
    """Knows what SuperOffice shows and what the ledger ever held, and looks at every step."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._broken: str | None = None
        self._under_way: list[Put] = []
        self._landed: list[Put] = []
        self._landed_at_record: dict[str, int] = {}
        self._claims: dict[str, Task] = {}
        self._recorded: dict[str, list[tuple[str, UploadIdentity]]] = {}
        self._unended: Counter[str] = Counter()
        self._recorded_late: set[str] = set()
        self._starts: list[tuple[str, float]] = []
        self.fixed_shares = 0
        self.outcomes: Counter[str] = Counter()

    def check(self) -> None:
        """Raises PromiseBroken as soon as something is wrong."""
        self._nothing_is_lost()
        if self._broken:
            raise PromiseBroken(self._broken)

    # --- what happens ----------------------------------------------------------------------------------------------

    def put_begins(self, put: Put) -> float:
        """A worker starts a PUT; when its lease ends."""
        item = self._item(put.target)
        put.version_id = item.get("attempt", {}).get("version_id", "")
        lease_ends = float(item.get("lease_until", 0))
        holder = self._claims.get(item.get("claim", ""))
        if holder is not put.task or lease_ends <= self._world.now:
            self._break("4: a PUT is started without the lease")
        if any(other.target == put.target for other in self._under_way):
            self._break("4: two PUTs for one target are under way")
        self._is_no_repetition(put, item)
        self._under_way.append(put)
        return max(lease_ends, self._world.now + 1)

    def call_starts(self, tenant: str, rate: int) -> None:
        """A worker starts a call: within the rate limit, but for workers that could not use the shared one."""
        now = self._world.now
        self._starts.append((tenant, now))
        recent = sum(name == tenant and at > now - 1 for name, at in self._starts)
        if recent > rate + 2 + self.fixed_shares:
            self._break(f"rate limit: {recent} calls in a second")

    def put_twin(self, put: Put) -> Put:
        """The client resends within its lease: the same bytes are under way twice."""
        twin = replace(put)
        self._under_way.append(twin)
        return twin

    def put_lands(self, put: Put) -> None:
        """SuperOffice carries a PUT out."""
        self._landed.append(put)
        put.blob_id = 100 + len(self._landed)
        self._world.note(f"SuperOffice shows {put.content or 'nothing'} as blob {put.blob_id} on {put.target}")
        self.put_ends(put)

    def put_ends(self, put: Put) -> None:
        """The PUT is over, and can have no further effect."""
        self._under_way.remove(put)

    def written(self, target: str, task: Task) -> None:
        """The ledger's item was changed by a worker's write."""
        item = self._item(target)
        if item["status"] == "in_progress":
            self._claims[item["claim"]] = task
            if task.done:
                self._unended[item["attempt"]["version_id"]] += 1
        elif item["status"] == "stored":
            record = (item["tenant"], UploadIdentity.from_map(item["stored"]))
            if task.done:
                self._recorded_late.add(item["stored"]["version_id"])
            self._recorded.setdefault(target, []).append(record)
            self._landed_at_record[target] = len(self._landed)
        elif item["status"] == "removed":
            record = (item["tenant"], UploadIdentity.from_map(item["removal"]))
            self._recorded.setdefault(target, []).append(record)
            self._landed_at_record[target] = len(self._landed)

    def ended(self, task: Task) -> None:
        """A worker is gone or done, perhaps without having ended its claim."""
        for target in self._world.table.items:
            if target.startswith("#"):
                continue
            item = self._item(target)
            if item["status"] == "in_progress" and self._claims.get(item["claim"]) is task:
                self._unended[item["attempt"]["version_id"]] += 1

    def dead_lettered(self, letter: Message) -> None:
        """The function gave an upload up."""
        if letter.attributes["ErrorCode"] != "worker.crashed":
            return
        (version_id,) = letter.version_ids
        if self._unended[version_id] < CRASH_LIMIT:
            self._break(f"{version_id} is given up after {self._unended[version_id]} deaths")

    def outcome(self, result: Any) -> None:
        """An upload's result, as the report has it."""
        self.outcomes[result.outcome] += 1

    # --- what must hold --------------------------------------------------------------------------------------------

    def _is_no_repetition(self, put: Put, item: dict[str, Any]) -> None:
        known = item.get("stored") or item.get("removal")
        if known is None or item["tenant"] != put.tenant:
            return
        identity, stored = self._upload(put.version_id).identity, UploadIdentity.from_map(known)
        recorded = self._recorded[put.target]
        before = any(tenant == put.tenant and same_upload(identity, past) for tenant, past in recorded)
        if same_upload(identity, stored):
            self._break("2: an upload that is recorded as stored is sent again")
        elif before and compare(identity, stored) == "tied":
            self._break("2: an upload that lost a tie is sent again")
        elif compare(identity, stored) == "older":
            self._break("1: an upload older than the stored one is sent")

    def _nothing_is_lost(self) -> None:
        world = self._world
        somewhere = {v for message in (*world.queue, *world.dead_letters) for v in message.version_ids}
        for version_id, upload in (*world.uploads.items(), *world.removals.items()):
            if version_id not in somewhere and not self._is_settled(version_id, upload):
                self._break(f"3: {version_id} is lost")

    def _is_settled(self, version_id: str, upload: Upload) -> bool:
        if version_id not in {version.version_id for version in self._world.bucket.versions}:
            return True
        if upload.identity.is_removal or self._is_deleted(upload):
            return True  # whether a removal was rightly ignored shows at the end
        recorded = self._recorded.get(str(upload.target), ())
        return any(same_upload(upload.identity, m) or compare(upload.identity, m) != "newer" for _, m in recorded)

    def _is_deleted(self, upload: Upload) -> bool:
        """Whether its object was deleted by a user after it was put."""
        markers = (marker.identity for marker in self._world.removals.values())
        return any(m.key == upload.identity.key and compare(m, upload.identity) != "older" for m in markers)

    def at_the_end(self) -> None:
        """When the queue has drained: SuperOffice and the ledger agree on the newest upload. Raises PromiseBroken."""
        self.check()
        if self._under_way or self._world.queue:
            raise PromiseBroken("3: the history ends before its messages do")
        self._removed_pictures_are_gone()
        for target, tenant in {(put.target, put.tenant) for put in self._landed}:
            item = self._item(target)
            if tenant == item.get("tenant", tenant):
                landed = [put for put in self._landed if (put.target, put.tenant) == (target, tenant)]
                self._newest_is_shown(target, item, landed)

    def _removed_pictures_are_gone(self) -> None:
        """No item says that a picture is stored whose object was deleted, unless that removal was given up."""
        dead = {version_id for letter in self._world.dead_letters for version_id in letter.version_ids}
        newest = {removal.identity.key: version_id for version_id, removal in self._world.removals.items()}
        for version_id in newest.values():
            removal = self._world.removals[version_id]
            item = self._item(str(removal.target))
            stored = item.get("stored") if item.get("tenant") == self._world.tenant else None
            if version_id in dead or stored is None or stored["key"] != removal.identity.key:
                continue
            if stored["version_id"] in self._recorded_late:
                continue  # accepted without being recorded before its object was deleted: the guarantee leaves these
            versions = self._world.bucket.list_object_versions(Bucket="bucket", Prefix=stored["key"])["Versions"]
            if not versions or self._upload(versions[0]["VersionId"]).target != removal.target:
                continue  # nothing says any more whose picture it was
            is_gone = self._world.bucket.current(removal.identity.key) is None
            if is_gone and compare(UploadIdentity.from_map(stored), removal.identity) == "older":
                raise PromiseBroken(f"1: the picture that {version_id} removed is still recorded as stored")

    def _newest_is_shown(self, target: str, item: dict[str, Any], landed: list[Put]) -> None:
        unheard = {put.version_id for put in landed} & self._given_up() - self._ever_recorded(target)
        if unheard and self._landed.index(landed[-1]) >= self._landed_at_record.get(target, 0):
            return  # stored without a response, then given up: whoever reads the dead letters decides
        known = item.get("stored") or item.get("removal")
        if known is None:
            raise PromiseBroken(f"1: the ledger does not know what SuperOffice shows on {target}")
        shown, stored = landed[-1], self._upload(known["version_id"])
        # A removal asks for no more than that its own object's picture is gone.
        heard = [put for put in landed if put.version_id not in unheard and put.content != NOTHING]
        newer = [put for put in heard if compare(self._upload(put.version_id).identity, stored.identity) == "newer"]
        if newer:
            raise PromiseBroken(f"1: {newer[0].version_id} is newer than what the ledger has for {target}")
        if shown.content != stored.content:
            raise PromiseBroken(f"1: SuperOffice shows {shown.content} on {target}, the ledger has {stored.content}")
        if shown.content == NOTHING:
            return
        answered = {put.blob_id for put in landed if put.version_id == shown.version_id}
        if item["blob_id"] not in answered | {shown.blob_id}:
            raise PromiseBroken(f"1: {target} shows blob {shown.blob_id}, the ledger has {item['blob_id']}")

    def _given_up(self) -> set[str]:
        """Uploads that are dead letters, or whose object was deleted."""
        kept = {version.version_id for version in self._world.bucket.versions}
        dead = {version_id for letter in self._world.dead_letters for version_id in letter.version_ids}
        deleted = {version_id for version_id, upload in self._world.uploads.items() if self._is_deleted(upload)}
        return dead | (self._world.uploads.keys() - kept) | deleted

    def _ever_recorded(self, target: str) -> set[str]:
        return {str(identity.version_id) for _, identity in self._recorded.get(target, ())}

    def _upload(self, version_id: str) -> Upload:
        return self._world.uploads.get(version_id) or self._world.removals[version_id]

    def _item(self, target: str) -> dict[str, Any]:
        return {name: _plain(value) for name, value in self._world.table.items.get(target, {}).items()}

    def _break(self, promise: str) -> None:
        self._broken = self._broken or promise
        self._world.note(f"BROKEN {promise}")


_plain = TypeDeserializer().deserialize
