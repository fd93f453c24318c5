"""The back-off: what waits, comes back in time; what lasts two days, is not lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_ingest.aws import compute_back_off
from image_ingest.timing import Timing

SQS_MAXIMUM = 12 * 3600
MAX_ATTEMPTS = 20


def back_off(receives: int, retry_after: float | None, chance: float) -> int:
    return compute_back_off(receives, retry_after, Timing(), chance)


def test_it_doubles_from_half_a_minute_to_six_hours() -> None:
    assert [back_off(n, None, chance=0) for n in range(1, 6)] == [30, 60, 120, 240, 480]
    assert back_off(11, None, chance=0) == back_off(500, None, chance=0) == 6 * 3600


@given(st.integers(1, 1000), st.none() | st.floats(0, 1e9), st.floats(0, 1))
def test_it_is_the_later_of_ours_and_theirs_within_what_sqs_takes(
    receives: int, retry_after: float | None, chance: float
) -> None:
    seconds = back_off(receives, retry_after, chance)
    assert back_off(receives, None, chance=0) * 0.8 - 1 <= seconds < SQS_MAXIMUM
    assert seconds >= min(retry_after or 0, SQS_MAXIMUM - 900) - 1


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_an_outage_of_48_hours_dead_letters_nothing(chance: float) -> None:
    """Virtual time: the upload arrives as SuperOffice goes down, and is refused at every receipt until it is back."""
    outage, now, receives = 48 * 3600, 0, 1
    while now < outage:
        assert receives < MAX_ATTEMPTS, "the last receipt would dead-letter it"
        now += back_off(receives, None, chance)
        receives += 1
    assert now < 7 * 24 * 3600, "it must come back before the queue's retention ends"
