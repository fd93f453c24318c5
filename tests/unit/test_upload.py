"""An upload's identity: what tells it from every other, short and whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from image_ingest.upload import UploadIdentity

IDENTITY = UploadIdentity("photos", "anna.jpg", None, "0A", "2026-11-01T10:00:00Z", "e1")


def test_a_fingerprint_is_sixteen_hexadecimal_digits() -> None:
    assert len(IDENTITY.fingerprint) == 16
    assert int(IDENTITY.fingerprint, 16) >= 0


@pytest.mark.parametrize(
    ("version_id", "sequencer", "change", "same"),
    [
        ("v1", "0A", {"version_id": "v2"}, False),
        ("v1", "0A", {"sequencer": "0B", "etag": "e2", "time": "2026-11-02T10:00:00Z"}, True),
        (None, "0A", {"sequencer": "0B"}, False),
        ("null", "0A", {"version_id": None}, True),
        (None, "0A", {"etag": "e2", "time": "2026-11-02T10:00:00Z"}, True),
        (None, None, {"etag": "e2"}, False),
        (None, None, {"time": "2026-11-02T10:00:00Z"}, False),
        ("v1", "0A", {"key": "bob.jpg"}, False),
        ("v1", "0A", {"bucket": "others"}, False),
        ("v1", "0A", {"is_removal": True}, False),
    ],
)
def test_a_fingerprint_is_the_version_else_the_sequencer_else_etag_and_time(
    version_id: str | None, sequencer: str | None, change: dict[str, object], *, same: bool
) -> None:
    identity = replace(IDENTITY, version_id=version_id, sequencer=sequencer)
    changed = replace(identity, **change)  # type: ignore[arg-type]  # names of fields
    assert (changed.fingerprint == identity.fingerprint) is same


def test_an_identity_survives_the_ledger() -> None:
    for identity in (IDENTITY, replace(IDENTITY, is_removal=True), replace(IDENTITY, version_id="v", sequencer=None)):
        assert UploadIdentity.from_map(identity.as_map()) == identity
    assert "is_removal" not in IDENTITY.as_map()
