"""What `image-ingest status` says about a ledger item in each state."""

from __future__ import annotations

import time
from typing import Any

import pytest

from image_ingest.errors import CATALOGUE
from image_ingest.upload import UploadIdentity
from image_ingest_cli.diagnosis.item_text import describe_item

WHEN = "2026-10-05T10:00:00Z"
UPLOAD = UploadIdentity("b", "new.jpg", "2", None, WHEN, "e").as_map()
REMOVAL = UploadIdentity("b", "old.jpg", "3", None, WHEN, "", is_removal=True).as_map()
STORED = {
    "tenant": "Cust12345",
    "blob_id": 59,
    "content_type": "image/png",
    "width": 30,
    "height": 40,
    "bucket": "b",
    "key": "old.jpg",
    "version_id": "1",
}
SHOWN = "SuperOffice (Cust12345) has blob 59: image/png, 30x40."
SOURCE = "Source: s3://b/old.jpg, version 1"
NONE = "This stack has stored no picture."


@pytest.mark.parametrize(
    ("item", "lines"),
    [
        ({}, ["The ledger has no entry: no upload for this record has arrived."]),
        ({**STORED, "status": "stored"}, [SHOWN, SOURCE, f"The newest attempt was stored at {WHEN}."]),
        (
            {**STORED, "status": "rejected", "attempt": UPLOAD, "error_code": "image.unreadable", "error_message": "m"},
            [
                *(SHOWN, SOURCE, f"The upload s3://b/new.jpg was rejected at {WHEN}: image.unreadable: m"),
                f"→ {CATALOGUE['image.unreadable'].advice}",
            ],
        ),
        (
            {"status": "deferred", "attempt": UPLOAD, "error_code": "aws.denied", "error_message": "m"},
            [
                *(NONE, f"The upload s3://b/new.jpg was deferred at {WHEN} and will be retried: aws.denied: m"),
                f"→ {CATALOGUE['aws.denied'].advice}",
            ],
        ),
        (
            {"status": "in_progress", "attempt": UPLOAD, "lease_until": 0},
            [
                NONE,
                (
                    f"The upload s3://b/new.jpg has been in progress since {WHEN}, "
                    "but its lease has ended, so another worker will retry it."
                ),
            ],
        ),
        (
            {**STORED, "status": "kept", "attempt": UPLOAD},
            [
                *("SuperOffice (Cust12345) had blob 59: image/png, 30x40.", SOURCE),
                (
                    f"The upload s3://b/new.jpg changed nothing at {WHEN}: SuperOffice shows a picture that this stack "
                    "may not replace (ReplacePictures)."
                ),
            ],
        ),
        (
            {"status": "removed", "tenant": "Cust12345", "attempt": REMOVAL, "removal": REMOVAL},
            [
                "SuperOffice (Cust12345) shows no picture.",
                f"It was removed at {WHEN}, because s3://b/old.jpg was deleted.",
            ],
        ),
        (
            {**STORED, "status": "rejected", "attempt": REMOVAL, "error_code": "x", "error_message": "m"},
            [SHOWN, SOURCE, f"The removal of s3://b/old.jpg was rejected at {WHEN}: x: m"],
        ),
    ],
)
def test_each_state_is_described(item: dict[str, Any], lines: list[str]) -> None:
    assert describe_item(item and {"updated_at": WHEN, **item}) == lines


def test_a_lease_is_described_by_the_time_that_is_left() -> None:
    item = {"status": "in_progress", "attempt": UPLOAD, "lease_until": time.time() + 100.9, "updated_at": WHEN}
    assert describe_item(item)[1].endswith((", for 100 s at most.", ", for 101 s at most."))
