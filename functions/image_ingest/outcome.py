"""How one upload ended, and what it cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Outcome = Literal[
    "stored", "unchanged", "duplicate", "superseded", "removed", "kept", "ignored", "rejected", "deferred"
]


@dataclass(frozen=True)
class Result:
    """One row of the results document; what is unknown is None."""

    outcome: Outcome
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    entity_type: str | None = None
    entity_id: int | None = None
    blob_id: int | None = None
    error_code: str | None = None
    message: str | None = None

    def as_row(self) -> dict[str, Any]:
        """For the results document."""
        return asdict(self)


@dataclass
class Measures:
    """What an upload cost, for the log and the metrics. Times in milliseconds, sizes in bytes."""

    source_bytes: int | None = None
    source_format: str | None = None
    uploaded_bytes: int | None = None
    picture_milliseconds: float | None = None
    milliseconds: float = 0.0
    confined: bool | None = None  # whether the kernel filtered the system calls of the decoding process
    where: str | None = None  # file and line of an error in the function itself
