"""How an upload would end if it were delivered now, and what was found on the way to that result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from image_ingest.aws import StoredObject
from image_ingest.ledger import Item
from image_ingest.outcome import Outcome
from image_ingest.target import Target
from image_ingest.upload import Removal, Upload, UploadIdentity

if TYPE_CHECKING:
    from image_ingest.picture import Picture


@dataclass(frozen=True)
class Prediction:
    """How an upload or removal that is delivered now would end, and why."""

    outcome: Outcome
    code: str | None = None
    message: str | None = None

    def __str__(self) -> str:
        reason = ": ".join(filter(None, [self.code, self.message]))
        return f"{self.outcome}: {reason}" if reason else self.outcome


@dataclass
class Inspection:
    """What was found on the way to the prediction; the rest stays None if the way ended earlier."""

    request: Upload | Removal
    obj: StoredObject | None = None
    identity: UploadIdentity | None = None
    target: Target | None = None
    item: Item = field(default_factory=dict)
    picture: Picture | None = None
    prediction: Prediction = Prediction("stored")
