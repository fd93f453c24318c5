"""What an item of the ledger says, and what a worker may do after it has claimed one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from image_ingest.ledger.order import same_second
from image_ingest.ledger.table import Item
from image_ingest.target import Target
from image_ingest.upload import UploadIdentity

_TIES_KEPT = 64


@dataclass(frozen=True)
class StoredPicture:
    """What SuperOffice has accepted, and from which source bytes under which settings it was made.

    `size` in bytes as sent. `image_info` is what SuperOffice said of the picture right after it was stored, None if it
    was not asked or did not say.
    """

    blob_id: int
    content_type: str
    width: int
    height: int
    sha256: str
    picture_settings: str
    size: int | None = None
    image_info: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Claim:
    """The right to change a target's picture until the lease ends. `is_new`: the ledger had no item for the target."""

    target: Target
    token: str
    is_new: bool = False


@dataclass(frozen=True)
class UploadClaim(Claim):
    """The right to change a target's picture on behalf of an upload or a removal.

    `recorded` is the picture that this tenant showed last, as far as the ledger knows; `in_doubt` says that a PUT or
    DELETE since then may have changed it. `sending` is the newest PUT that was started and not recorded, if such a PUT
    was announced. `crashes` is how often this upload crashed its worker before.
    """

    identity: UploadIdentity = field(kw_only=True)
    recorded: StoredPicture | None = None
    in_doubt: bool = False
    sending: Mapping[str, Any] | None = None
    crashes: int = 0
    ties: tuple[str, ...] = ()

    @property
    def stored(self) -> StoredPicture | None:
        """The picture that this tenant certainly shows now."""
        return None if self.in_doubt else self.recorded


def read_stored_identity(item: Item, tenant: str | None) -> UploadIdentity | None:
    """The upload whose picture this tenant shows, as far as the ledger knows."""
    return _read_identity(item, "stored", tenant)


def read_removal_identity(item: Item, tenant: str | None) -> UploadIdentity | None:
    """The removal of the picture that this tenant showed last."""
    return _read_identity(item, "removal", tenant)


def read_claim(item: Item, target: Target, identity: UploadIdentity, tenant: str | None) -> UploadClaim:
    """The claim that was just written to the item."""
    stored = read_stored_identity(item, tenant)
    return UploadClaim(
        target=target,
        identity=identity,
        token=item["claim"],
        recorded=None if stored is None else _read_picture(item),
        in_doubt=bool(item.get("in_doubt")),
        sending=item.get("sending"),
        crashes=int(item["crashes"].get(identity.fingerprint, 0)),
        ties=() if stored is None else _extend_ties(item, identity, stored),
    )


def _read_identity(item: Item, name: str, tenant: str | None) -> UploadIdentity | None:
    if name not in item or tenant not in {None, item["tenant"]}:
        return None
    return UploadIdentity.from_map(item[name])


def _read_picture(item: Item) -> StoredPicture:
    stored = item["stored"]
    return StoredPicture(
        blob_id=int(item["blob_id"]),
        content_type=item["content_type"],
        width=int(item["width"]),
        height=int(item["height"]),
        sha256=item["sha256"],
        picture_settings=stored["picture_settings"],
        size=int(stored["size"]) if "size" in stored else None,
        image_info=stored.get("image_info"),
    )


def _extend_ties(item: Item, identity: UploadIdentity, stored: UploadIdentity) -> tuple[str, ...]:
    """What this upload overtakes and what could tie with it: redelivered, these must not win the tie again."""
    if not same_second(identity, stored):
        return ()
    return (*item.get("ties", ()), stored.fingerprint)[-_TIES_KEPT:]
