"""The stand-in's state: records and pictures, users, the tenant and its host, and the calls that arrived."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from sandbox.superoffice.faults import Faults

NoPicture = Literal["properties", "{}", '""', "null", ""]  # what ImageInfo returns for a record without a picture
ENTITIES = ("person", "project", "contact", "product")
TICKET_SECONDS = 6 * 3600.0
_MOST_CALLS = 100_000


@dataclass(frozen=True)
class StoredPicture:
    """A picture in SuperOffice; `at` is when it was stored by the stand-in's clock, in seconds since the epoch."""

    blob_id: int
    data: bytes = field(repr=False)
    content_type: str
    width: int
    height: int
    at: float


@dataclass
class Call:
    """A call that arrived; `status` stays None if there was no response. `at` is in seconds of time.monotonic."""

    at: float
    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    status: int | None = None
    number: int = 0  # calls are counted from 1


@dataclass
class Users:
    """The credentials that are accepted now."""

    username: str = "ingest"
    password: str = field(default_factory=lambda: f"pw-{secrets.token_hex(8)}")
    client_id: str = field(default_factory=lambda: secrets.token_hex(16))
    client_secret: str = field(default_factory=lambda: f"app-{secrets.token_hex(16)}")
    refresh_token: str = field(default_factory=lambda: f"refresh-{secrets.token_hex(16)}")
    redirect_uri: str | None = None  # registered for the app, and then required
    system_user_token: str = field(default_factory=lambda: f"Ingest-{secrets.token_hex(8)}")
    cookie: str = field(default_factory=lambda: f"SoSession={secrets.token_hex(16)}")
    xsrf_token: str = field(default_factory=lambda: f"xsrf-{secrets.token_hex(16)}")
    tickets: dict[str, float] = field(default_factory=dict)  # ticket → when it expires if it is not used
    access_tokens: dict[str, float] = field(default_factory=dict)  # token → when it expires


@dataclass
class Tenant:
    """The Online tenant: its name, the numbered host it is on, and its state."""

    name: str = "Cust12345"
    host: int = 3
    state: str = "Running"
    valid_seconds: float = 3600.0
    api: str | None = None  # replaces the true address

    @property
    def running(self) -> bool:
        return self.state in ("Running", "OnlineMaintenance")


@dataclass
class State:
    """All of the stand-in's state, guarded by `lock`."""

    highest_known_id: int = 1_000_000
    unknown_status: int = 404  # unknown ids of every entity but person, which give 400
    refusal_status: int = 401  # or 403: the response to a credential that is not accepted
    keeps_blob_ids: bool = False  # a second PUT keeps the blob id, instead of changing it
    no_picture: NoPicture = "properties"
    omits_persons_without_image: bool = False  # in GetPersonImages, which otherwise lists them with empty ImageData
    clock_offset: float = 0.0
    token_seconds: float = 3600.0
    unknown_tenant_status: int = 200  # with the state Unknown; or 404
    refuse_logins: str | None = None  # a reason such as Revoked
    token_kid: str | None = "key-2"  # the signing key that tokens name; None: they have x5t instead
    signing_key: str = "key-2"
    published_keys: tuple[str, ...] = ("key-1", "key-2")
    claims: dict[str, object] = field(default_factory=dict)  # replace a token's true claims; None omits one
    forged_token: str | None = None  # issued instead of a true one
    calls_per_second: int | None = None
    users: Users = field(default_factory=Users)
    tenant: Tenant = field(default_factory=Tenant)
    faults: Faults = field(default_factory=Faults)
    pictures: dict[tuple[str, int], list[StoredPicture]] = field(default_factory=dict)  # the latest change is last
    added: set[tuple[str, int]] = field(default_factory=set)
    removed: set[tuple[str, int]] = field(default_factory=set)
    deleted_pictures: set[tuple[str, int]] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    blob_ids: int = 100
    _call_count: int = 0
    _recent: deque[float] = field(default_factory=deque)

    def now(self) -> float:
        """The stand-in's time, in seconds since the epoch."""
        return time.time() + self.clock_offset

    def has_record(self, entity: str, entity_id: int) -> bool:
        """Whether the record exists."""
        key = (entity, entity_id)
        return key not in self.removed and (key in self.added or 1 <= entity_id <= self.highest_known_id)

    def store(self, entity: str, entity_id: int, data: bytes, content_type: str, size: tuple[int, int]) -> int:
        """Stores a picture and returns its blob id."""
        with self.lock:
            shown = self.get_picture(entity, entity_id)
            if shown is None or not self.keeps_blob_ids:
                self.blob_ids += 1
            blob_id = shown.blob_id if shown and self.keeps_blob_ids else self.blob_ids
            kept = self.pictures[entity, entity_id] = self.pictures.pop((entity, entity_id), [])
            kept.append(StoredPicture(blob_id, data, content_type, *size, self.now()))
            self.deleted_pictures.discard((entity, entity_id))
            return blob_id

    def get_picture(self, entity: str, entity_id: int) -> StoredPicture | None:
        """The picture that the record has now, or None."""
        kept = self.pictures.get((entity, entity_id))
        return kept[-1] if kept and (entity, entity_id) not in self.deleted_pictures else None

    def delete_picture(self, entity: str, entity_id: int) -> None:
        """The record has no picture any more."""
        with self.lock:
            self.deleted_pictures.add((entity, entity_id))

    def issue_ticket(self) -> str:
        """A ticket that stays valid while it is used."""
        ticket = f"7T:{secrets.token_hex(16)}"
        self.users.tickets[ticket] = self.now() + TICKET_SECONDS
        return ticket

    def issue_access_token(self) -> str:
        """An access token that expires after token_seconds."""
        token = f"8A:{secrets.token_hex(16)}"
        self.users.access_tokens[token] = self.now() + self.token_seconds
        return token

    def use_ticket(self, ticket: str) -> bool:
        """Whether the ticket is valid; if so, this use renews it."""
        with self.lock:
            valid = self.users.tickets.get(ticket, 0.0) > self.now()
            if valid:
                self.users.tickets[ticket] = self.now() + TICKET_SECONDS
            return valid

    def add_call(self, call: Call) -> None:
        """Records a call; the oldest ones are forgotten."""
        with self.lock:
            self._call_count += 1
            call.number = self._call_count
            self.calls.append(call)
            if len(self.calls) > _MOST_CALLS:
                del self.calls[: _MOST_CALLS // 2]

    def is_over_limit(self, at: float) -> bool:
        """Whether this call exceeds the limit for its second."""
        with self.lock:
            self._recent.append(at)
            while self._recent[0] <= at - 1:
                self._recent.popleft()
            return self.calls_per_second is not None and len(self._recent) > self.calls_per_second
