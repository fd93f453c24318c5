"""Which of two uploads for one target is newer (docs/reference.md, "Order and repetition")."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from image_ingest.upload import UNVERSIONED, UploadIdentity

Order = Literal["newer", "older", "tied"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def same_upload(one: UploadIdentity, other: UploadIdentity) -> bool:
    """Same bucket, key and version; unversioned: sequencer, else ETag and time."""
    if not _same_key(one, other) or bool(one.is_removal) != bool(other.is_removal):
        return False
    versions = {one.version_id, other.version_id}
    if not versions & UNVERSIONED:
        return len(versions) == 1
    if one.sequencer and other.sequencer:
        return _padded(one.sequencer, other.sequencer) == _padded(other.sequencer, one.sequencer)
    return one.etag == other.etag and _compare_times(one.time, other.time) == 0


def compare(new: UploadIdentity, stored: UploadIdentity) -> Order:
    """How `new` stands to `stored`: by sequencer for one key, else by time."""
    if _same_key(new, stored) and new.sequencer and stored.sequencer:
        difference = _sign(_padded(new.sequencer, stored.sequencer), _padded(stored.sequencer, new.sequencer))
    else:
        difference = _compare_times(new.time, stored.time)
    return "tied" if difference == 0 else "newer" if difference > 0 else "older"


def later_handled_wins(new: UploadIdentity, stored: UploadIdentity) -> bool:
    """Whether a tie goes to the one handled later: two versions of one key, either without sequencer."""
    return _same_key(new, stored) and not (new.sequencer and stored.sequencer)


def same_second(one: UploadIdentity, other: UploadIdentity) -> bool:
    """Whether a third upload could tie with both."""
    return _moment(one.time)[0] == _moment(other.time)[0]


def _same_key(one: UploadIdentity, other: UploadIdentity) -> bool:
    return (one.bucket, one.key) == (other.bucket, other.key)


def _padded(sequencer: str, other: str) -> str:
    return sequencer.upper().ljust(len(other), "0")


def _compare_times(one: str, other: str) -> int:
    (one_second, one_fraction), (other_second, other_fraction) = _moment(one), _moment(other)
    if one_second != other_second or one_fraction is None or other_fraction is None:
        return _sign(one_second, other_second)
    return _sign(one_fraction, other_fraction)


def _sign(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def is_time(text: str | None) -> bool:
    """Whether this is a time that uploads can be ordered by."""
    try:
        _moment(text or "")
    except ValueError:
        return False
    return True


def _moment(text: str) -> tuple[int, int | None]:
    """Whole seconds since 1970, and microseconds if the text has a fraction."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - _EPOCH) // (_EPOCH.replace(second=1) - _EPOCH)
    return seconds, moment.microsecond if "." in text or "," in text else None
