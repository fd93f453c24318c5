"""What an event asks for: an upload or a removal, its identity, and how it reached this invocation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

UNVERSIONED = frozenset({None, "null"})


@dataclass(frozen=True)
class Upload:
    """One object put in the bucket, as its event describes it.

    `key` is decoded. `event_time` is ISO 8601 with the precision that the event has. `version_id` is None where the
    event names none, and "null" is a version's name in a bucket whose versioning is suspended.
    """

    bucket: str
    key: str
    version_id: str | None = None
    sequencer: str | None = None
    event_time: str | None = None
    etag: str | None = None
    other_key: str | None = None  # a second reading of an ambiguously encoded key
    record: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    def use_other_key(self) -> Upload:
        """The same upload with the second reading of its key."""
        return replace(self, key=self.other_key or self.key, other_key=None)


@dataclass(frozen=True)
class Removal:
    """One object deleted from the bucket, as its event describes it. The fields are those of an Upload.

    `version_id` is the delete marker's, or the deleted version's.
    """

    bucket: str
    key: str
    version_id: str | None = None
    sequencer: str | None = None
    event_time: str | None = None
    record: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class UploadIdentity:
    """What tells one upload, or removal, from another and puts it in order.

    `time` is ISO 8601, as precise as the event was. `is_removal` is None for uploads, so that their items lack it.
    """

    bucket: str
    key: str
    version_id: str | None
    sequencer: str | None
    time: str
    etag: str
    is_removal: bool | None = None

    @property
    def fingerprint(self) -> str:
        """A short name of this very upload, for the ledger's bookkeeping."""
        version = self.version_id
        identity = (
            [version]
            if version not in UNVERSIONED
            else [self.sequencer or "", "" if self.sequencer else self.etag + self.time]
        )
        kind = ["removal"] if self.is_removal else []
        words = [self.bucket, self.key, *map(str, identity), *kind]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]

    def as_map(self) -> dict[str, Any]:
        """For the ledger; from_map reads it."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_map(cls, stored: Mapping[str, Any]) -> UploadIdentity:
        """The identity that as_map wrote."""
        return cls(**{name: stored.get(name) for name in cls.__dataclass_fields__})  # type: ignore[arg-type]  # what as_map left out was None


@dataclass(frozen=True)
class Delivery:
    """How an upload's event reached this invocation.

    `id` is the SQS message's or the request's; `receives` counts the message's deliveries, None outside SQS.
    `last`: a deferral now is the final one. `patience`: seconds within which the message must return to be handled
    once more; None if it is kept without limit. `dead_letters`: whether refusals go to the dead-letter queue.
    """

    id: str
    receives: int | None = None
    last: bool = False
    patience: float | None = None
    dead_letters: bool = True
