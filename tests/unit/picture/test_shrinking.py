"""As little as needed is decoded, and doing two halves at once shows nowhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from image_ingest.picture import threads
from image_ingest.picture.geometry import PHOTO_MARGIN, Plan, draft
from image_ingest.picture.shrinking import shrink
from tests.pictures.corpus import noise, scene
from tests.pictures.makers import encoded

PHOTO = noise(301, 199)


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The second thread that a child has."""
    monkeypatch.setattr(threads, "_helper", None)
    threads.start_helper()
    started = threads._helper
    assert started
    yield
    started.shutdown()


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize(
    ("times", "eighths"), [(1.3, 8), (2.7, 8), (2.9, 4), (3.7, 4), (3.8, 3), (5.5, 3), (5.7, 2), (11.1, 2), (11.3, 1)]
)
def test_a_jpeg_is_decoded_at_the_least_size_that_keeps_enough_detail(
    times: float, eighths: int, subsampling: int
) -> None:
    size = round(91 * times), round(70 * times)
    source = encoded(scene(*size), "JPEG", quality=95, subsampling=subsampling)
    image, whole = (Image.open(BytesIO(source)) for _ in range(2))
    factor = draft(image, Plan((91, 70), (0, 0, *size)), PHOTO_MARGIN)
    image.load()
    assert factor == 8 / eighths
    assert image.size == tuple(-(-side * eighths // 8) for side in size)
    box = (0, 0, size[0] / factor, size[1] / factor)
    small = image.resize((91, 70), Image.Resampling.LANCZOS, box)
    difference = ImageChops.difference(small, whole.resize((91, 70), Image.Resampling.LANCZOS))
    assert max(ImageStat.Stat(difference).mean) < 3


@pytest.mark.usefixtures("helper")
@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 301),
    height=st.integers(1, 199),
    left=st.floats(0, 100),
    top=st.floats(0, 60),
)
def test_two_halves_are_the_whole(width: int, height: int, left: float, top: float) -> None:
    box = (left, top, min(301, left + 2.9 * width), min(199, top + 2.9 * height))
    halves = shrink(PHOTO, Plan((width, height), box), lambda image: image)
    difference = ImageChops.difference(halves, PHOTO.resize((width, height), Image.Resampling.LANCZOS, box))
    assert max(ImageStat.Stat(difference).mean) < 1  # Pillow rounds in between, rows or columns first as it sees fit


@pytest.mark.usefixtures("helper")
def test_two_things_are_done_at_once_and_errors_are_told() -> None:
    meeting = threading.Barrier(2, timeout=10)
    assert sorted(threads.at_once(meeting.wait, meeting.wait)) == [0, 1]
    done: list[str] = []
    with pytest.raises(ZeroDivisionError):
        threads.at_once(lambda: 1 // 0, lambda: done.append("second"))
    with pytest.raises(ZeroDivisionError):
        threads.at_once(lambda: done.append("first"), lambda: 1 // 0)
    assert done == ["second", "first"]


def test_without_a_second_thread_they_are_done_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    threads.start_helper()
    assert threads._helper is None
    assert threads.at_once(threading.get_ident, threading.get_ident) == (threading.get_ident(),) * 2
