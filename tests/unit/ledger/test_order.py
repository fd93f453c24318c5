"""Newest wins: how two uploads for one target stand to each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_ingest.ledger.order import compare, is_time, later_handled_wins, same_second, same_upload
from image_ingest.upload import UploadIdentity

UPLOAD = UploadIdentity("photos", "a.jpg", "v1", "00A1", "2026-10-05T09:52:01.500Z", "etag1")


def other(**changes: str | None) -> UploadIdentity:
    return replace(UPLOAD, version_id="v2", etag="etag2", **changes)  # type: ignore[arg-type]  # names of UploadIdentity's fields


@pytest.mark.parametrize(
    ("sequencer", "expected"),
    [
        ("00A2", "newer"),
        ("00A0", "older"),
        ("00A1", "tied"),
        ("00A10", "tied"),
        ("00A11", "newer"),
        ("009FFFFF", "older"),
    ],
)
def test_one_key_is_ordered_by_sequencer_padded_right_with_zeros(sequencer: str, expected: str) -> None:
    assert compare(other(sequencer=sequencer, time="2020-01-01T00:00:00Z"), UPLOAD) == expected


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-10-05T09:52:01.501Z", "newer"),
        ("2026-10-05T09:52:01.499Z", "older"),
        ("2026-10-05T09:52:01.500Z", "tied"),
        ("2026-10-05T09:52:01Z", "tied"),
        ("2026-10-05T09:52:02Z", "newer"),
        ("2026-10-05T11:52:00.999+02:00", "older"),
        ("2026-10-05T09:52:01.000Z", "older"),
    ],
)
def test_two_keys_are_ordered_by_time_in_whole_seconds_unless_both_have_milliseconds(time: str, expected: str) -> None:
    assert compare(other(key="b.jpg", sequencer="FF", time=time), UPLOAD) == expected


def test_without_a_sequencer_one_key_is_ordered_by_time() -> None:
    assert compare(other(sequencer=None, time="2026-10-05T09:52:02Z"), UPLOAD) == "newer"


def test_a_tie_of_two_versions_without_sequencer_goes_to_the_later_handled() -> None:
    assert later_handled_wins(other(sequencer=None), UPLOAD)
    assert not later_handled_wins(other(), UPLOAD)
    assert not later_handled_wins(other(key="b.jpg", sequencer=None), UPLOAD)


@pytest.mark.parametrize("version_id", [None, "null"])
def test_unversioned_uploads_are_told_apart_by_sequencer_else_by_etag_and_time(version_id: str | None) -> None:
    upload = replace(UPLOAD, version_id=version_id)
    assert same_upload(upload, replace(upload, sequencer="00A100", etag="x"))
    assert not same_upload(upload, replace(upload, sequencer="00A2"))
    unsequenced = replace(upload, sequencer=None)
    assert same_upload(unsequenced, upload)
    assert not same_upload(unsequenced, replace(upload, etag="x"))
    assert not same_upload(unsequenced, replace(upload, time="2026-10-05T09:52:02Z"))


def test_versioned_uploads_are_told_apart_by_version() -> None:
    assert same_upload(UPLOAD, replace(UPLOAD, sequencer=None, time="2020-01-01T00:00:00Z"))
    assert not same_upload(UPLOAD, replace(UPLOAD, version_id="v2"))
    assert not same_upload(UPLOAD, replace(UPLOAD, key="b.jpg"))


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-13-01T00:00:00Z", "2026-10-05T09:52:01.5Zz"])
def test_what_is_no_time_does_not_order(text: str | None) -> None:
    assert not is_time(text)


sequencers = st.none() | st.text("0123456789ABCDEF", min_size=1, max_size=6)
times = st.sampled_from([f"2026-10-05T09:52:0{s}{f}Z" for s in (1, 2) for f in ("", ".000", ".250", ".900")])
identities = st.builds(
    UploadIdentity,
    st.just("b"),
    st.sampled_from(["k1", "k2"]),
    st.sampled_from([None, "v1", "v2"]),
    sequencers,
    times,
    st.just("e"),
)


@given(identities, identities)
def test_order_is_antisymmetric(one: UploadIdentity, two: UploadIdentity) -> None:
    opposite = {"newer": "older", "older": "newer", "tied": "tied"}
    assert compare(one, two) == opposite[compare(two, one)]


@given(identities)
def test_a_mark_survives_the_ledger_and_is_itself(identity: UploadIdentity) -> None:
    assert UploadIdentity.from_map(identity.as_map()) == identity
    assert same_upload(identity, identity)
    assert compare(identity, identity) == "tied"


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-10-05T09:52:01Z", True),
        ("2026-10-05T09:52:01.000Z", True),
        ("2026-10-05T09:52:02.500Z", False),
        ("2026-10-05T09:52:00.999Z", False),
    ],
)
def test_uploads_of_one_second_could_tie_with_a_third_that_has_no_fraction(time: str, *, expected: bool) -> None:
    assert same_second(other(time=time), UPLOAD) is expected


def test_text_that_is_no_time_is_told_from_a_time() -> None:
    assert is_time("2026-10-05T09:52:01Z") is True
    assert is_time("yesterday") is False
    assert is_time(None) is False
