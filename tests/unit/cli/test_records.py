"""What a ledger item says about one upload."""

from __future__ import annotations

from typing import Any

import pytest

from image_ingest.upload import UploadIdentity
from image_ingest_cli.aws.ledger import Ending, find_ending

NOW, LATER, EARLIER = (f"2026-10-05T10:00:0{second}Z" for second in (5, 7, 3))


def _identity(version: str, time: str = NOW, key: str = "person/1.jpg") -> UploadIdentity:
    return UploadIdentity("b", key, version, None, time, "e")


def _item(
    *, stored: UploadIdentity | None = None, attempt: UploadIdentity | None = None, **more: Any
) -> dict[str, Any]:
    item: dict[str, Any] = dict(more)
    if stored is not None:
        item |= {"stored": stored.as_map(), "blob_id": 59}
    if attempt is not None:
        item |= {"attempt": {**attempt.as_map(), "delivery": "d", "receives": 1}}
    return item


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({}, None),
        (_item(stored=_identity("1"), attempt=_identity("1"), status="stored"), Ending("stored", blob_id=59)),
        (
            _item(stored=_identity("1"), attempt=_identity("2"), status="rejected", error_code="x"),
            Ending("stored", blob_id=59),
        ),
        (_item(stored=_identity("0", EARLIER), attempt=_identity("1"), status="in_progress"), None),
        (_item(attempt=_identity("1"), status="deferred", error_code="aws.denied"), None),
        (
            _item(attempt=_identity("1"), status="rejected", error_code="image.unreadable", error_message="m"),
            Ending("rejected", "image.unreadable", "m"),
        ),
        (
            _item(attempt=_identity("1"), status="rejected", error_message="deleted"),
            Ending("ignored", message="deleted"),
        ),
        (
            _item(stored=_identity("2", LATER, "other"), attempt=_identity("2", LATER, "other"), status="stored"),
            Ending("superseded", message="A newer upload for this target is stored."),
        ),
        (_item(stored=_identity("0", EARLIER), attempt=_identity("2", LATER), status="rejected", error_code="x"), None),
        # Within one second the upload may be the older or the newer one.
        (_item(stored=_identity("2", NOW, "other"), attempt=_identity("2", NOW, "other"), status="stored"), None),
        (
            _item(stored=_identity("0", EARLIER), attempt=_identity("1"), status="kept"),
            Ending("kept", message="SuperOffice shows a picture that this stack may not replace (ReplacePictures)."),
        ),
        (_item(attempt=_identity("2", LATER), status="kept"), None),
        (
            {"status": "removed", "removal": _identity("2", LATER).as_map()},
            Ending("superseded", message="The target's picture was removed after this upload."),
        ),
        ({"status": "removed", "removal": _identity("0", EARLIER).as_map()}, None),
    ],
)
def test_an_upload_ends_as_the_ledger_says(item: dict[str, Any], expected: Ending | None) -> None:
    assert find_ending(item, _identity("1")) == expected
