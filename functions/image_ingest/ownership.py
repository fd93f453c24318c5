"""Whose picture a record shows (REPLACE_PICTURES): this stack's, or one that a person has set.

Nobody but SuperOffice knows, so everything that it says of the picture is compared with what it said right after the
picture was stored. If the response to a PUT was lost, the picture of that PUT is recognised by its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from image_ingest.ledger import StoredPicture, UploadClaim
from image_ingest.settings import ReplacePictures
from image_ingest.superoffice import ImageInfo


def may_replace(mode: ReplacePictures, info: ImageInfo | None, claim: UploadClaim) -> bool:
    """Whether the claim's upload may be stored where SuperOffice shows this picture."""
    if mode == "always" or info is None:
        return True
    if mode == "own":
        return is_own(info, claim)
    return _is_of(info, claim.sending, claim.identity.fingerprint)  # only this upload's own PUT, sent again


def is_own(info: ImageInfo, claim: UploadClaim) -> bool:
    """Whether this is the picture that the stack stored last, or that of a PUT whose response was lost."""
    return _is_recorded(info, claim.recorded) or _is_of(info, claim.sending)


def describe_info(info: ImageInfo | None) -> dict[str, Any]:
    """What SuperOffice says of a picture, for the ledger; empty if there is none."""
    return {} if info is None else {name: value for name, value in asdict(info).items() if value is not None}


def announce(claim: UploadClaim, info: ImageInfo | None, size: int) -> dict[str, Any]:
    """What the ledger keeps of a PUT of so many bytes that is about to be started where this picture is shown.

    `before` is what was shown before the upload's first PUT: if that one was carried out, the next may still fail.
    """
    fingerprint, before = claim.identity.fingerprint, describe_info(info)
    if claim.sending is not None and info is not None and _is_of(info, claim.sending, fingerprint):
        before = dict(claim.sending["before"])
    return {"fingerprint": fingerprint, "before": before, "size": size}


def _is_recorded(info: ImageInfo, recorded: StoredPicture | None) -> bool:
    if recorded is None:
        return False
    if recorded.image_info is not None:
        return describe_info(info) == dict(recorded.image_info)
    return info.blob_id == recorded.blob_id and (recorded.size is None or _has_size(info, recorded.size))


def _is_of(info: ImageInfo, sending: Mapping[str, Any] | None, fingerprint: str | None = None) -> bool:
    """Whether the announced PUT was carried out, or nothing has changed since it was announced."""
    if sending is None or fingerprint not in {None, sending["fingerprint"]}:
        return False
    shown = describe_info(info)
    if shown == dict(sending["before"]):
        return fingerprint is None
    return _has_size(info, int(sending["size"]))


def _has_size(info: ImageInfo, size: int) -> bool:
    """Whether a picture of so many bytes can be meant; true also if SuperOffice does not say."""
    sizes = {info.blob_size, info.original_size} - {None}
    return not sizes or size in sizes
