"""One attempt at an upload or a removal, and what it is made with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import BinaryIO, Protocol

from image_ingest.aws import StoredObject
from image_ingest.deadline import Deadline
from image_ingest.ledger import UploadClaim
from image_ingest.outcome import Measures, Outcome, Result
from image_ingest.picture import Picture
from image_ingest.superoffice import Calls, ImageInfo
from image_ingest.target import Target
from image_ingest.upload import Delivery, Upload, UploadIdentity


class ObjectSource(Protocol):
    """Where uploaded objects are read."""

    def find(self, upload: Upload) -> StoredObject:
        """The upload's object. Raises Gone, Deferred."""

    def copy(self, obj: StoredObject, file: BinaryIO, limit: int) -> str:
        """Writes the object's bytes; packed ones unpacked, up to `limit`. Returns their SHA-256 as S3 keeps them.

        Raises Gone, Rejected, Deferred.
        """

    def find_current(self, bucket: str, key: str) -> StoredObject | None:
        """The key's current object. Raises Rejected, Deferred."""

    def find_newest_version(self, bucket: str, key: str) -> StoredObject | None:
        """The newest version that is left of a deleted object. Raises Rejected, Deferred."""


class PictureDestination(Protocol):
    """Where pictures go."""

    def tenant(self, deadline: Deadline) -> str:
        """The tenant that pictures go to. Raises Deferred."""

    def put_image(self, target: Target, picture: Picture, deadline: Deadline, calls: Calls) -> int:
        """Stores the picture and returns its blob id. Raises Rejected, Deferred."""

    def delete_image(self, target: Target, deadline: Deadline, calls: Calls) -> bool:
        """Deletes the picture; whether there was one. Raises Rejected, Deferred."""

    def image_info(self, target: Target, deadline: Deadline, calls: Calls) -> ImageInfo | None:
        """The picture that is shown. Raises Rejected, Deferred."""


class Reporter(Protocol):
    """What hears of every outcome."""

    def upload(self, result: Result, measures: Measures, calls: Calls) -> None:
        """One upload's outcome and what it cost."""


@dataclass
class UploadAttempt:
    """What is known so far of the upload or removal at hand; what was not reached is None.

    `retry_after`: seconds that another attempt should wait at least, if SuperOffice said so.
    """

    delivery: Delivery
    deadline: Deadline
    result: Result
    retry_after: float | None = None
    obj: StoredObject | None = None
    identity: UploadIdentity | None = None
    target: Target | None = None
    tenant: str | None = None
    claim: UploadClaim | None = None
    picture: Picture | None = None
    calls: Calls = field(default_factory=Calls)
    measures: Measures = field(default_factory=Measures)

    def settle(self, outcome: Outcome, **known: int | str | None) -> None:
        """Sets the outcome, and more of the result's fields."""
        self.result = replace(self.result, outcome=outcome, **known)  # type: ignore[arg-type]  # names of Result's fields

    def aim(self, target: Target) -> None:
        """Notes whose picture it is."""
        self.target = target
        self.result = replace(self.result, entity_type=target.entity_type, entity_id=target.entity_id)
