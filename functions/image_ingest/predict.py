"""How an upload or removal would end if it was delivered now: the function's own code, run without any side effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO

from image_ingest.attempt import ObjectSource, PictureDestination
from image_ingest.aws import StoredObject
from image_ingest.deadline import Deadline
from image_ingest.errors import IngestError
from image_ingest.ingest import Ingest
from image_ingest.ledger import Claim, Item, Ledger, Settled, StoredPicture, Table, UploadClaim
from image_ingest.outcome import Measures, Result
from image_ingest.picture import Picture, Preparation
from image_ingest.settings import PictureSettings, Settings
from image_ingest.superoffice import Calls
from image_ingest.target import Target
from image_ingest.upload import Delivery, Removal, Upload, UploadIdentity

_SECONDS = 60.0


@dataclass(frozen=True)
class Prediction:
    """The result of the upload or removal, and what was found on the way to it; what was not reached is None."""

    result: Result
    obj: StoredObject | None = None
    identity: UploadIdentity | None = None
    target: Target | None = None
    item: Item = field(default_factory=dict)
    picture: Picture | None = None


def predict(
    request: Upload | Removal,
    *,
    settings: Settings,
    objects: ObjectSource,
    table: Table,
    superoffice: PictureDestination,
    read_bytes: bool = True,
) -> Prediction:
    """Follows the upload or removal as the function would. Writes nothing.

    `superoffice` must not change anything: its put_image() says whether SuperOffice would accept the picture.
    Without `read_bytes` the picture is assumed to be sound, unless SKIP_UNCHANGED needs the bytes.
    """
    skips_bytes = not (read_bytes or settings.skip_unchanged)
    prepare: Any = _SoundPicture if skips_bytes else Preparation
    ledger = _LedgerPreview(table)
    ingest = Ingest(
        settings=settings,
        objects=_WithoutBytes(objects) if skips_bytes else objects,
        ledger=ledger,
        superoffice=superoffice,
        dead_letters=None,
        report=_Silence(),
        prepare=prepare,
    )
    attempt = ingest.handle(request, Delivery("", dead_letters=False), Deadline(_SECONDS))
    picture = None if skips_bytes else attempt.picture
    return Prediction(attempt.result, attempt.obj, attempt.identity, attempt.target, ledger.item, picture)


class _LedgerPreview(Ledger):
    """Decides as the ledger does, and writes nothing."""

    item: Item = {}  # noqa: RUF012  # replaced, never changed

    def claim(
        self, target: Target, identity: UploadIdentity, tenant: str | None, delivery: Delivery, lease: float
    ) -> UploadClaim | Settled:
        self.item = self.read(target)
        return self.decide(self.item, target, identity, tenant, delivery)

    def record_stored(
        self, claim: UploadClaim, picture: StoredPicture, tenant: str, *, in_doubt: bool = False
    ) -> None: ...

    def record_failure(
        self, claim: UploadClaim, failure: IngestError, *, final: bool, in_doubt: bool = False
    ) -> None: ...

    def record_removed(self, claim: UploadClaim, tenant: str, *, in_doubt: bool = False) -> None: ...

    def record_kept(self, claim: UploadClaim) -> None: ...

    def announce_put(self, claim: UploadClaim, sending: Mapping[str, Any]) -> None: ...

    def release(self, claim: Claim) -> None: ...


class _WithoutBytes:
    """Finds objects, and does not read them."""

    def __init__(self, objects: ObjectSource) -> None:
        self._objects = objects

    def find(self, upload: Upload) -> StoredObject:
        return self._objects.find(upload)

    def copy(self, obj: StoredObject, file: BinaryIO, limit: int) -> str:
        return ""

    def find_current(self, bucket: str, key: str) -> StoredObject | None:
        return self._objects.find_current(bucket, key)

    def find_newest_version(self, bucket: str, key: str) -> StoredObject | None:
        return self._objects.find_newest_version(bucket, key)


class _SoundPicture:
    """The preparation of a picture that was sound before."""

    is_confined = None

    def __init__(self) -> None:
        self.file = BytesIO()

    def start(self, settings: PictureSettings) -> None: ...

    def close(self) -> None: ...

    def make_picture(self, settings: PictureSettings, deadline: Deadline) -> Picture:
        return Picture(b"", "image/jpeg", settings.max_width, settings.max_height, "JPEG")


class _Silence:
    """Reports nothing."""

    def upload(self, result: Result, measures: Measures, calls: Calls) -> None: ...
